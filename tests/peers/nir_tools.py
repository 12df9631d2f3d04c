"""Run NIR graphs in tools, judge what the tools record, and write nir_tools.json.

    python tests/peers/nir_tools.py FOLDER [TOOL ...]   # then: nir_page.py DATA

FOLDER is that of environments.py; the versions of nir and nirtorch that nir_tools.json
names are added by pip.  Each tool runs in a process of its own.  The tool imports and
runs the nine graphs of tests/oracle/nir/graphs, and plain variants of these; it runs
small networks of its own, and exports them.  The recordings are judged as by
`python -m refsnn nir`.  What a tool refuses on purpose is quoted.
"""

import contextlib
import copy
import datetime
import importlib.metadata
import io
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
STORED, GRAPHS = HERE / "nir_tools.json", HERE.parent / "oracle" / "nir"
if __name__ == "__main__":
    sys.path += [str(HERE.parent.parent), str(GRAPHS)]

import nine_graphs                                                  # noqa: E402
import nir_page                                                     # noqa: E402
import nir_writer                                                   # noqa: E402

from refsnn.oracle.nir import graphs, judgement, nirdata            # noqa: E402

DT = 1e-3               # of tools that do not fix it, in s
OUTPUTS = {"nested": "first/lif", "delay": "last"}      # node before the output
# Words of messages by which tools tell that they do not support a node or a field.
REFUSALS = ("not supported", "Unknown node type", "must be", "Cannot convert",
            "has no Spyx module", "unexpected keyword argument 'v_reset'",
            "AssertionError()")             # nir 1.0.4 does not know a CubaLI
PLAIN = {"r": 1.0, "v_leak": 0.0, "v_threshold": 0.47, "v_reset": None, "w_in": None}
TIMES = ("tau", "tau_mem", "tau_syn", "delay")
W = np.float32([[0.73, 0.29, 1.17], [0.53, 1.03, 0.37]])


# ---- the tools: run a graph, and yield networks of their own

def stepped(model, x):
    """Run a model of PyTorch row by row; return its outputs and states."""
    import torch
    state, rows, states = None, [], []
    with torch.no_grad():
        for t in range(x.shape[1]):
            found = model(torch.tensor(x[:, t]).float(), state)
            out, state = found if isinstance(found, tuple) else (found, None)
            rows.append(out[0] if isinstance(out, tuple) else out)  # IF of snntorch
            states.append(copy.copy(state))     # norse changes its list of states
    return torch.stack(rows, 1).numpy(), states


def linear():
    import torch
    layer = torch.nn.Linear(3, 2)
    layer.weight.data, layer.bias.data = torch.tensor(W), torch.zeros(2)
    return layer


class Norse:
    packages, dt = ("norse", "nir", "nirtorch"), DT

    @staticmethod
    def run(path, x, node):
        import nir
        from norse.torch.utils.import_nir import from_nir
        rows, model = [], from_nir(nir.read(path), dt=DT)
        for name, module in model.named_modules():
            if name == node:
                module.register_forward_hook(lambda _m, _i, out: rows.append(out[1]))
        return {"spikes": stepped(model, x)[0]} | potentials(rows)

    @staticmethod
    def networks(x):
        import torch
        from norse.torch import SequentialState
        from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters
        from norse.torch.utils.export_nir import to_nir
        net = SequentialState(linear(), LIFBoxCell(LIFBoxParameters(
            tau_mem_inv=torch.tensor([125.0, 80.0]), v_leak=torch.zeros(2),
            v_th=torch.tensor([0.25, 0.5])), dt=DT))
        spikes, states = stepped(net, x)
        own = {"spikes": spikes} | potentials([state[1] for state in states])
        yield "Linear, LIFBoxCell", lambda: to_nir(net, torch.tensor(x[0, :1]).float()
                                                   ), own


def potentials(states):
    """Return the potentials of states of norse, which may be pairs."""
    import torch
    states = [one[-1] if isinstance(one, tuple) and not hasattr(one, "v") else one
              for one in states]
    return {"mem": torch.stack([one.v for one in states], 1).numpy()} if states else {}


class SnnTorch:
    packages, dt = ("snntorch", "nir", "nirtorch"), 1e-4     # fixed by the tool

    @staticmethod
    def run(path, x, node):
        import nir
        from snntorch.import_nir import import_from_nir
        return {"spikes": stepped(import_from_nir(nir.read(path)), x)[0]}

    @staticmethod
    def networks(x):
        import snntorch
        import torch
        from snntorch.export_nir import export_to_nir
        for kind in "Leaky", "Synaptic":
            for reset in "zero", "subtract":
                decays = {"beta": torch.tensor([0.9, 0.85])}
                decays |= {"alpha": torch.tensor([0.8, 0.7])} if kind[0] == "S" else {}
                net = torch.nn.Sequential(linear(), getattr(snntorch, kind)(
                    **decays, threshold=torch.tensor([1.0, 1.5]), init_hidden=True,
                    reset_mechanism=reset, output=True))
                with torch.no_grad():
                    rows = [net(torch.tensor(x[:, t]).float())
                            for t in range(x.shape[1])]
                own = {"spikes": torch.stack([row[0] for row in rows], 1).numpy(),
                       "mem": torch.stack([row[-1] for row in rows], 1).numpy()}
                yield f"Linear, {kind} (reset {reset})", lambda net=net: export_to_nir(
                    net, torch.tensor(x[0, 0]).float()), own


class Spyx:
    packages, dt = ("spyx", "nir"), DT

    @staticmethod
    def run(path, x, node):
        import jax
        import nir
        from spyx.nir import from_nir
        out, states = from_nir(nir.read(path), np.float32(x.swapaxes(0, 1)), dt=DT,
                               return_all_states=True)[1]
        v = [leaf[..., :out.shape[-1]] for leaf in jax.tree.leaves(states)[-1:]]
        return {key: np.asarray(a).swapaxes(0, 1)
                for key, a in zip(("spikes", "mem"), (out, *v), strict=False)}

    @staticmethod
    def networks(x):
        import jax.numpy as jnp
        from flax import nnx
        from spyx import nn
        from spyx.nir import to_nir
        for kind in "LIF", "CuBaLIF":
            rngs = nnx.Rngs(0)
            first = nnx.Linear(3, 2, rngs=rngs)
            first.kernel[...] = jnp.asarray(W.T)
            net = nn.Sequential(first, getattr(nn, kind)((2,), rngs=rngs))
            out = nn.run(net, jnp.asarray(np.float32(x.swapaxes(0, 1))))[0]
            yield f"Linear, {kind}", lambda net=net: to_nir(
                net, {"input": np.array([3])}, {"output": np.array([2])}, dt=DT), {
                    "spikes": np.asarray(out).swapaxes(0, 1)}


class Sinabs:
    packages, dt = ("sinabs", "nir", "nirtorch"), 1.0       # time constants are rows

    @staticmethod
    def run(path, x, node):
        import nir
        from sinabs.nir import from_nir
        return {"spikes": stepped(from_nir(nir.read(path), batch_size=len(x)), x)[0]}

    @staticmethod
    def networks(x):
        import torch
        from sinabs import layers
        from sinabs.nir import to_nir
        some = {"batch_size": 1, "record_states": True}
        taus, level = torch.tensor([8.0, 12.0]), torch.tensor([1.0, 1.5])
        for kind, options in (
                ("IAFSqueeze", {"spike_threshold": level, "min_v_mem": None}),
                ("ExpLeakSqueeze", {"tau_mem": taus, "norm_input": False}),
                ("LIFSqueeze", {"tau_mem": taus, "norm_input": False,
                                "spike_threshold": level}),
                ("LIFSqueeze (norm_input)", {"tau_mem": taus, "norm_input": True,
                                             "spike_threshold": level / 4})):
            cell = getattr(layers, kind.split()[0])(**some, **options)
            net = torch.nn.Sequential(linear(), cell)
            with torch.no_grad():
                out = net(torch.tensor(x[0]).float())
            own = {"spikes": out, "mem": cell.recordings["v_mem"]}
            own = {key: a.detach().reshape(1, -1, 2).numpy() for key, a in own.items()}
            cell.reset_states()
            yield f"Linear, {kind}", lambda net=net: to_nir(
                net, torch.tensor(x[0]).float()), own


class Rockpool:
    packages, dt = ("rockpool", "nir", "nirtorch"), DT

    @staticmethod
    def run(path, x, node):
        import nir
        import torch
        from rockpool.nn.modules.torch.nir import from_nir
        model = from_nir(nir.read(path))
        with torch.no_grad():
            out = model(torch.tensor(x).float())[0]
        return {"spikes": out.numpy(), "dt": model.get_submodule(node).dt}

    @staticmethod
    def networks(x):
        import torch
        from rockpool.nn.combinators import Sequential
        from rockpool.nn.modules import torch as modules
        from rockpool.nn.modules.torch.nir import to_nir
        level = {"tau_mem": torch.tensor([8e-3, 12e-3]), "bias": torch.zeros(2),
                 "threshold": torch.tensor([1.0, 1.5]), "dt": DT}
        for kind, shape, options in (
                ("ExpSynTorch", 2, {"tau": torch.tensor([8e-3, 12e-3]), "dt": DT}),
                ("LIFNeuronTorch", 2, level),
                ("LIFTorch", (2, 2), level | {
                    "tau_syn": torch.tensor([[4e-3], [6e-3]])})):
            net = Sequential(modules.LinearTorch(
                (3, 2), weight=torch.tensor(W.T), bias=torch.zeros(2)),
                getattr(modules, kind)(shape, **options))
            with torch.no_grad():
                out, _, rows = net(torch.tensor(x).float(), record=True)
            own = {"spikes": out.numpy()}
            for part in rows.values():
                if isinstance(part, dict) and "vmem" in part:
                    own["mem"] = part["vmem"].numpy()
            yield f"Linear, {kind}", lambda net=net: to_nir(net), own


TOOLS = {"norse": Norse, "snntorch": SnnTorch, "spyx": Spyx, "sinabs": Sinabs,
         "rockpool": Rockpool}


# ---- in the environment of a tool

def plain(content, dt):
    """Return a graph with simple values of fields, and times that suit a step dt."""
    found = {}
    for name, value in content.items():
        if isinstance(value, dict):
            found[name] = plain(value, dt)
        elif name in TIMES:
            found[name] = value * dt / nine_graphs.DT
        elif name not in PLAIN:
            found[name] = value
        elif PLAIN[name] is not None:
            found[name] = np.full(np.shape(value), PLAIN[name])
    return found


def judged(path, node, x, own, dt):
    """Return the verdict on a node, from a recording in a file."""
    graph = graphs.read(path)
    if node is None:
        node, = (name for name, one in graph.nodes.items() if one.type in graphs.STATES)
    if graph.nodes[node].type in graphs.ANALOG:     # the outputs are potentials
        own["mem"] = own.pop("spikes")
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/a.npz", x=x, dt=own.pop("dt", dt),  # some tools choose dt
                 **{f"{node}/{key}": a for key, a in own.items()})
        verdict, = judgement.judge(graph, nirdata.read(f"{folder}/a.npz", graph))
    return verdict


def results(tool):
    """Return versions, rows of named conventions, refusals, and other results."""
    rng, module = np.random.default_rng(57), TOOLS[tool]
    found = {"date": datetime.date.today().isoformat(), "rows": [], "refused": {},
             "silent": [], "failed": [], "withheld": [], "versions": {
                 one: importlib.metadata.version(one) for one in module.packages}}

    def add(name, told):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                verdict = told()
        except Exception as error:
            words = " ".join(str(error).split()) or repr(error)
            if any(part in words for part in REFUSALS):
                found["refused"].setdefault(words[:120], []).append(name)
            else:
                print(f"{tool}: {name}: {error!r}", file=sys.stderr)
                found["failed"].append(name)
            return
        if verdict.status == "named":
            found["rows"].append(nir_page.row(name, verdict))
        else:
            print(f"{tool}: {name}:", *verdict.lines, sep="\n", file=sys.stderr)
            found["silent" if verdict.status == "no spike" else "withheld"].append(name)

    with tempfile.TemporaryDirectory() as folder:
        for kind in "", "plain ":
            for name, root in nine_graphs.made().items():
                path, node = f"{folder}/a.nir", OUTPUTS.get(name, "first")
                nir_writer.write(path, plain(root, module.dt) if kind else root)
                x = (rng.random((1, 200, 3)) < 0.3).astype(float)
                if not kind:
                    stored = str(nine_graphs.FOLDER / name)
                    x = nirdata.read(f"{stored}.h5", graphs.read(f"{stored}.nir")
                                     ).inputs["input"]
                add(kind + name, lambda path=path, x=x, node=node: judged(
                    path, node, x, module.run(path, x, node), module.dt))
        x = (rng.random((1, 200, 3)) < 0.3).astype(float)
        for name, export, own in module.networks(x):
            def told(export=export, own=own):
                import nir
                nir.write(f"{folder}/b.nir", export())
                return judged(f"{folder}/b.nir", None, x, own, module.dt)
            add(f"export of {name}", told)
    return found


# ---- here

def main(folder, tools):
    stored = json.loads(STORED.read_text("utf-8")) if STORED.exists() else {}
    for tool in tools or TOOLS:
        print(tool, flush=True)
        run = subprocess.run(       # fixes the order of sets of names
            [folder / tool / "bin" / "python", __file__, "--one", tool], check=True,
            stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONHASHSEED": "0"})
        stored[tool] = json.loads(run.stdout.splitlines()[-1])
        STORED.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--one":
        warnings.simplefilter("ignore")
        logging.disable()
        print(json.dumps(results(sys.argv[2])))
    else:
        main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:])
