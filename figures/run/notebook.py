"""Compute one figure in a notebook or a script, without additional processes."""

import copy
import inspect
import os
import pathlib
from typing import Any, NamedTuple

import threadpoolctl
from tqdm.auto import tqdm

from figures.run import claims, gallery, jobs, make, storage

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZES = ("quick", "default", "full")
GIVEN = ("size", "seed", "data")        # arguments of jobs() that are no options


class Computed(NamedTuple):
    """A computed figure; notebooks show its picture."""

    name: str
    data: dict              # arrays by name, as in NAME.h5
    claims: dict            # `claims.Result` by the id of the claim
    figure: Any             # matplotlib figure
    told: tuple             # one line for each claim

    def __str__(self):
        return "\n".join((self.name, *self.told))

    def _repr_png_(self):
        return gallery.png(self.figure)


def figure(name, *, size="default", seed=0, data=None, root=ROOT, **options):
    """Compute and draw one figure; see `figures.figure`."""
    known = make.names(root)
    name = str(name).removeprefix("fig_").removesuffix(".py")
    if name not in known:
        raise ValueError(f"name is {name!r}: must be one of {', '.join(known)}")
    if name == jobs.SPEED:
        raise ValueError(f"name is {name!r}, which needs processes of its own: run "
                         f"`python run_all.py {name}`")
    if size not in SIZES:
        raise ValueError(f"size is {size!r}: must be one of {', '.join(SIZES)}")
    module = make.imported(root, name)
    allowed = options_of(module)
    if not set(options) <= set(allowed):
        wrong = ", ".join(sorted(set(options) - set(allowed)))
        raise ValueError(f"figure {name} has no option {wrong}: must be one of "
                         f"{', '.join(allowed) or 'none'}")
    if data is not None:
        data = os.path.abspath(data)
    make.need(name, getattr(module, "FOLDERS", {}).get(size, ()), size, data)
    results = []
    with threadpoolctl.threadpool_limits(1):
        listed = module.jobs(size, seed, data, **options)
        for function, kwargs, *indices in tqdm(listed, desc=name, unit="job"):
            before = [copy.deepcopy(results[index]) for index in indices]
            more = {"before": before[0] if len(before) == 1 else before} \
                if before else {}
            results.append(jobs.normalised(
                function(**kwargs, **more), f"result of {function.__name__}"))
        found = make.gathered(module, results)
        document = {"figure": name, "size": size, "options": options, "claims":
                    claims.stored(claims.measured(module, found, size, options))}
    judged = claims.read(module, document)
    drawn = gallery.drawn(module.plot, storage.shown(module, found))
    return Computed(name, found, {claim.id: result for claim, result in judged}, drawn,
                    tuple(gallery.line(*pair) for pair in judged))


def options_of(module):
    """Return a dict that maps each option of a figure to its default value."""
    return {name: parameter.default for name, parameter in
            inspect.signature(module.jobs).parameters.items() if name not in GIVEN}
