# refsnn 0.1.0 | si.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Synaptic intelligence: what each parameter did for a task, kept.

While a task is learnt, each parameter's share in the drop of its loss is
summed up along the path.  At the task's end it becomes an importance, and
a quadratic penalty then holds what was important near its anchor, the
parameters at the end of the last task.  With g the gradient before a step
and dtheta what the step did to the parameters,

    w = w - g dtheta, summed over steps               (1)  [ZPG17] eq. 3
    importance = importance
        + w / ((theta - anchor)^2 + xi)               (2)  [ZPG17] eq. 5
    penalty = f c sum_k importance_k
        (theta_k - anchor_k)^2                        (3)  [ZPG17] eq. 4
    dpenalty = 2 f c importance (theta - anchor)      (4)

entry by entry, where w is `path_integral`, c `strength` and f `factor`;
after (2), w = 0 and anchor = theta.  Implementations differ; each choice
is a field of `Settings`, and `PRESETS` holds those of

    preset       g in (1)  dtheta   clamp    xi    c    f    else
    paper        task      step     none     0.1   0.1  1
    pathint      task      step     running  0.1   0.1  1
    vandeven     total     step     none     0.1   10   1
    mammoth      task      step     none     0.1   0.1  1    clip 1
    mammoth_old  total     descent  none     0.1   0.1  1    clip 1
    avalanche    total     step     none     1e-7  1    1/2  cap 1e-3
    nupic        total     step     task     0.1   0.1  1

paper is [ZPG17] as printed and pathint its authors' code, the default;
vandeven is the repository continual-learning, mammoth_old mammoth before
September 2024, nupic nupic.research.  vandeven's c is that of split MNIST
with heads (5e4 and 5e3 without); avalanche has no default.
  g        "task": of the task's loss alone; "total": penalty included.
  dtheta   "step": what the optimiser did; "descent": -rate g, as if it
           had been plain gradient descent, so that w = sum rate g^2.
  clamp    "running": importance = max(0, importance) after (2); "task": w
           = max(0, w) in (2); "none": importances may be negative.
  cap      (3) and (4) read min(importance, cap); the sum goes on uncapped.
  clip     The caller's optimiser gets the total gradient with entries
           clipped to [-clip, clip]; g in (1) is clipped with "descent"
           alone, which is about what the optimiser gets.
  reset_optimiser   For the caller as well: start the optimiser's state
           anew after `consolidate`.

Settings of [ZPG17] by experiment, where the authors' code has them:

    experiment               c           xi     reset_optimiser
    permuted MNIST           0.1         0.1    False
    split MNIST              1           1e-3   True
    CIFAR-10 to CIFAR-100    0.01, 0.1   1e-3   True

Derivation.  To first order a step changes the loss by sum_k g_k dtheta_k.
    So sum_k w_k is the drop of the loss whose gradient is g, as the step
    goes to 0.  Plain descent on that loss has dtheta = -rate g, and no
    term of (1) is negative; momentum, noise or the penalty's pull can make
    one so.  Dividing by the square of the distance gives (3) the unit of
    the loss; xi bounds that where a parameter hardly moved.
Exact.  (4) is the derivative of (3).  With strength 0 it is 0 throughout.
    For losses that are quadratic `si_quadratic` has (1) in closed form.
Cost.   O(p) time a step, three arrays of state.  `si_adam` does (1) and
    (4) inside the optimiser's pass through memory.
Departures.  Earlier tasks keep their summed importance about the latest
    anchor, as in all implementations above.  The permuted-MNIST notebook
    of pathint takes 0 as its first anchor: `begin` with zeros does.
    vandeven skips (2) after the last task.  Whatever is kept is copied:
    where kept weights are a view of the live ones (avalanche 0.6.0 on a
    CPU), all distances and w stay 0: silently, nothing is consolidated.

[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import math
import numbers
from typing import NamedTuple, Union

import numpy as np

__all__ = ["PRESETS", "Settings", "State", "accumulate", "begin", "consolidate",
           "penalty", "penalty_gradient"]


class Settings(NamedTuple):
    """Choices of an implementation; the defaults are those of pathint."""

    gradient: str = "task"          # or "total"
    displacement: str = "step"      # or "descent"
    rate: float = 1e-3              # of "descent"
    clamp: str = "running"          # or "none", "task"
    xi: float = 0.1                 # damping, parameter squared
    strength: float = 0.1           # c
    factor: float = 1.0             # f, or 0.5
    cap: float = math.inf           # of an importance
    clip: float = math.inf          # for the caller's optimiser
    reset_optimiser: bool = False   # for the caller, at a task's end


class State(NamedTuple):
    """What is remembered, each array in the form of the parameters."""

    path_integral: Union[np.ndarray, list]      # w, since the task began
    importance: Union[np.ndarray, list]         # of all tasks consolidated
    anchor: Union[np.ndarray, list]             # parameters at the end of the last task
    steps: int          # since the task began
    tasks: int          # consolidated


DEFAULT = Settings()
PRESETS = {
    "paper": Settings(clamp="none"),
    "pathint": DEFAULT,
    "vandeven": Settings(gradient="total", clamp="none", strength=10.0),
    "mammoth": Settings(clamp="none", clip=1.0),
    "mammoth_old": Settings(gradient="total", displacement="descent", clamp="none",
                            clip=1.0),
    "avalanche": Settings(gradient="total", clamp="none", xi=1e-7, strength=1.0,
                          factor=0.5, cap=1e-3),
    "nupic": Settings(gradient="total", clamp="task"),
}
OPTIONS = {"gradient": ("task", "total"), "displacement": ("step", "descent"),
           "clamp": ("none", "running", "task"), "factor": (1.0, 0.5),
           "reset_optimiser": (False, True)}
MOST = float(np.finfo(float).max)
LEAST = {"rate": 0, "xi": 0, "strength": -1, "cap": 0, "clip": 0}     # excluded


def _settings(settings):
    """The settings, none out of range, with their numbers as floats."""
    if not isinstance(settings, Settings):
        raise ValueError(f"settings is {settings!r:.60}: must be a Settings")
    for name, choice in OPTIONS.items():
        value = getattr(settings, name)
        if not isinstance(value, (str, float, int)) or value not in choice \
                or isinstance(value, bool) != (name == "reset_optimiser"):
            raise ValueError(f"settings.{name} is {value!r}: must be one of {choice}")
    for name, least in LEAST.items():
        value = getattr(settings, name)
        bound = "at least 0" if least < 0 else "above 0"
        if not isinstance(value, numbers.Real) or isinstance(value, bool) \
                or not max(least, 0) <= value or value == least \
                or not (value <= MOST or (name in ("cap", "clip")
                                          and value == math.inf)):
            raise ValueError(f"settings.{name} is {value!r}: must be a number {bound}")
    return settings._replace(**{name: float(getattr(settings, name))
                                for name in (*LEAST, "factor")})


def _arrays(name, value, like=None):
    """`value` as a list of finite float arrays, of the shapes of `like`."""
    several = isinstance(value, (list, tuple))
    arrays = list(value) if several else [value]
    if not arrays or (like is not None and len(arrays) != len(like)):
        raise ValueError(f"{name} has {len(arrays)} arrays: must have "
                         f"{len(like) if like else 'at least one'}, one for each of "
                         "the parameters")
    for i, a in enumerate(arrays):
        what = f"{name}[{i}]" if several else name
        try:
            arrays[i] = a = np.asarray(a)
        except (RuntimeError, TypeError, ValueError) as error:  # of tensors, of lists
            raise ValueError(f"{what} is a {type(a).__name__}: must be an array or "
                             f"convertible to one; {error}") from error
        if a.dtype not in (np.float32, np.float64) or a.size == 0:
            raise ValueError(f"{what} is of shape {a.shape}, dtype {a.dtype}: must be "
                             "float32 or float64 and not empty")
        if like is not None and (a.shape, a.dtype) != (like[i].shape, like[i].dtype):
            raise ValueError(f"{what} is of shape {a.shape}, dtype {a.dtype}: must be "
                             f"of {like[i].shape}, {like[i].dtype} like the parameters")
        if not np.isfinite(a).all():
            raise ValueError(f"{what} has NaN or infinite entries: must be finite")
    return arrays


def _state(state):
    """(path_integral, importance, anchor) of a state as lists of arrays."""
    if not isinstance(state, State) \
            or not all(isinstance(n, (int, np.integer)) for n in state[3:]):
        raise ValueError(f"state is {state!r:.60}: must be a State that begin, "
                         "accumulate or consolidate returned")
    anchor = _arrays("state.anchor", state.anchor)
    return (_arrays("state.path_integral", state.path_integral, anchor),
            _arrays("state.importance", state.importance, anchor), anchor)


def _formed(name, function, like, *lists):
    """function of each array of the lists, in the form of `like`; finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        # Of 0-d arrays and a number NumPy 1 would make float64.
        found = [np.asarray(function(*arrays), arrays[0].dtype)
                 for arrays in zip(*lists, strict=True)]
    if not all(np.isfinite(a).all() for a in found):
        raise ValueError(f"{name} overflows {found[0].dtype}: parameters, gradients "
                         "and settings must be such that it is finite")
    return found if isinstance(like, (list, tuple)) else found[0]


def begin(parameters):
    """State before the first task.

    Parameters
    ----------
    parameters : float array or list of them
        At the start; copied.

    Returns
    -------
    State
        Of arrays in the form of parameters: importance and path_integral
        0, anchor a copy of the parameters.

    Raises
    ------
    ValueError
        If parameters are not finite float32 or float64, or empty.

    Examples
    --------
    >>> state = begin(np.array([1.0, 2.0]))
    >>> state.anchor.tolist(), state.importance.tolist(), state.steps
    ([1.0, 2.0], [0.0, 0.0], 0)
    """
    arrays = _arrays("parameters", parameters)
    zeros, more, anchor = (_formed("parameters", f, parameters, arrays)
                           for f in (np.zeros_like, np.zeros_like, np.array))
    return State(zeros, more, anchor, 0, 0)


def accumulate(state, displacement, task_gradient, penalty_gradient=None,
               settings=DEFAULT):
    """Add one step to the path integral, eq. (1).

    Parameters
    ----------
    state : State
        Before the step.
    displacement : array or list of arrays
        What the step did: parameters after it minus a *copy* of them from
        before it.  An optimiser's update is that, with less rounding.
    task_gradient : array or list of arrays
        Of the task's loss at the parameters before the step; a *copy* where
        the penalty's is then added to the same array.
    penalty_gradient : array or list of arrays, optional
        Of the penalty, at the same place; is read, and must be given, if
        settings.gradient is "total".
    settings : Settings
        `gradient`, `displacement`, `rate` and `clip` count here.

    Returns
    -------
    State
        After the step; the arrays of `state` are left as they are.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, an entry is NaN or infinite, or a
        setting is out of range; state is left as it is.

    Notes
    -----
    In PyTorch, with a model, an optimiser, a loss function and tasks::

        def live():
            return [p.detach().numpy().copy() for p in model.parameters()]

        state = si.begin(live())
        for batches in tasks:
            for x, y in batches:
                optimiser.zero_grad()
                loss_function(model(x), y).backward()
                gradient = [p.grad.numpy().copy() for p in model.parameters()]
                before = live()
                pull = si.penalty_gradient(state, before, settings)
                for p, d in zip(model.parameters(), pull):
                    p.grad += torch.from_numpy(d)
                optimiser.step()
                step = [a - b for a, b in zip(live(), before)]
                state = si.accumulate(state, step, gradient, pull, settings)
            state = si.consolidate(state, live(), settings)

    Where p.grad is None, the loss does not depend on p, take zeros.  Before
    `optimiser.step` comes `settings.clip`, if it is finite, and after
    `consolidate`, if it is set, `settings.reset_optimiser`.

    Examples
    --------
    >>> state = begin(np.array([1.0, 2.0]))
    >>> state = accumulate(state, np.array([-0.5, 0.25]), np.array([4.0, 1.0]))
    >>> state.path_integral.tolist()
    [2.0, -0.25]
    """
    settings = _settings(settings)
    w, _, anchor = _state(state)
    steps = _arrays("displacement", displacement, anchor)
    gradients = _arrays("task_gradient", task_gradient, anchor)
    if settings.gradient == "total" and penalty_gradient is None:
        raise ValueError("penalty_gradient is None: must be given, "
                         "settings.gradient is 'total'")
    pulls = gradients if penalty_gradient is None \
        else _arrays("penalty_gradient", penalty_gradient, anchor)

    def grown(w, step, g, pull):
        g = g + pull if settings.gradient == "total" else g
        if settings.displacement == "descent":
            g = np.clip(g, -settings.clip, settings.clip)
            step = -settings.rate * g
        return w - g * step                                                # (1)

    new = _formed("path_integral", grown, state.anchor, w, steps, gradients, pulls)
    return state._replace(path_integral=new, steps=state.steps + 1)


def consolidate(state, parameters, settings=DEFAULT):
    """End a task: path integral into importance, eq. (2).

    Then, if settings.reset_optimiser, the caller resets the optimiser.

    Parameters
    ----------
    state : State
        After the task's last step.
    parameters : array or list of arrays
        At the task's end; copied as the new anchor.
    settings : Settings
        `clamp` and `xi` count here.

    Returns
    -------
    State
        Path integral and steps 0, one task more.

    Raises
    ------
    ValueError
        If no step was accumulated, or none moved a parameter, or the path
        integral is 0 throughout though parameters moved (its displacements
        were taken of two views of the same weights); or as `accumulate`.

    Examples
    --------
    >>> state = begin(np.array([1.0]))
    >>> state = accumulate(state, np.array([-0.5]), np.array([4.0]))
    >>> state = consolidate(state, np.array([0.5]), Settings(xi=0.25))
    >>> float(state.importance[0]), state.anchor.tolist(), state.steps
    (4.0, [0.5], 0)
    """
    settings = _settings(settings)
    w, importance, anchor = _state(state)
    theta = _arrays("parameters", parameters, anchor)
    if state.steps < 1:
        raise ValueError(f"state.steps is {state.steps}: must be above 0, there is "
                         "nothing to consolidate before the first step of a task")
    if all((t == a).all() for t, a in zip(theta, anchor, strict=True)):
        raise ValueError("parameters equal state.anchor in every entry: must have "
                         "moved since the task began")
    if not any(a.any() for a in w):
        raise ValueError("state.path_integral is 0 in every entry: must not be, "
                         "parameters moved; is displacement taken of a copy?")

    def grown(old, w, theta, anchor):
        w = np.maximum(w, 0) if settings.clamp == "task" else w
        new = old + w / ((theta - anchor) ** 2 + settings.xi)              # (2)
        return np.maximum(new, 0) if settings.clamp == "running" else new

    form = state.anchor
    return State(_formed("path_integral", np.zeros_like, form, w),
                 _formed("importance", grown, form, importance, w, theta, anchor),
                 _formed("anchor", np.array, form, theta), 0, state.tasks + 1)


def penalty(state, parameters, settings=DEFAULT):
    """What holds important parameters near their anchors, eq. (3).

    Parameters
    ----------
    state : State
        Importance and anchor.
    parameters : array or list of arrays
        Where.
    settings : Settings
        `strength`, `factor` and `cap` count here.

    Returns
    -------
    float
        To be added to the task's loss.

    Raises
    ------
    ValueError
        As `accumulate`.

    Examples
    --------
    >>> state = begin(np.zeros(2))._replace(importance=np.array([1.0, 3.0]))
    >>> penalty(state, np.array([2.0, 1.0]), Settings(strength=0.5))
    3.5
    """
    settings = _settings(settings)
    scale = settings.factor * settings.strength
    _, importance, anchor = _state(state)
    theta = _arrays("parameters", parameters, anchor)

    def term(old, theta, anchor):
        return np.minimum(old, settings.cap) * (theta - anchor) ** 2

    terms = _formed("penalty", term, [], importance, theta, anchor)
    with np.errstate(over="ignore", invalid="ignore"):
        value = scale * sum(a.sum(dtype=np.float64) for a in terms)        # (3)
    return float(_formed("penalty", np.asarray, None, [value]))


def penalty_gradient(state, parameters, settings=DEFAULT):
    """Derivative of the penalty by the parameters, eq. (4).

    Parameters
    ----------
    state, parameters, settings
        As for `penalty`.

    Returns
    -------
    array or list of arrays
        In the form of the parameters that `begin` was given.

    Raises
    ------
    ValueError
        As `accumulate`.

    Examples
    --------
    >>> state = begin(np.zeros(2))._replace(importance=np.array([1.0, 3.0]))
    >>> theta, settings = np.array([2.0, 1.0]), Settings(strength=0.5)
    >>> penalty_gradient(state, theta, settings).tolist()
    [2.0, 3.0]
    """
    settings = _settings(settings)
    scale = 2 * settings.factor * settings.strength
    _, importance, anchor = _state(state)
    theta = _arrays("parameters", parameters, anchor)
    return _formed(
        "penalty_gradient", lambda old, theta, anchor: scale * (            # (4)
            np.minimum(old, settings.cap) * (theta - anchor)),
        state.anchor, importance, theta, anchor)
