# refsnn 0.1.0 | si.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Synaptic intelligence (SI) computes parameter importances online.

Let theta be the parameters before an optimiser step, and let g be the
gradient of the loss at theta.  The displacement is the change of theta in
this step.  The path integral (1) of a parameter estimates how much the
changes of this parameter have decreased the loss of the current task.  At
the end of the task, eq. (2) updates the importance of each parameter.
Then all path integrals are set to 0, and the current parameters become the
anchors.  In later tasks, the penalty (3) keeps important parameters near
the anchors (parameter values at the end of the previous task).  The
coefficients of the penalty are `factor` and `strength`:

    path_integral = path_integral - g displacement    (1)  [ZPG17] eq. 3
    importance = importance + path_integral
        / ((theta - anchor)^2 + xi)                   (2)  [ZPG17] eq. 5
    penalty = factor strength sum_k importance_k
        (theta_k - anchor_k)^2                        (3)  [ZPG17] eq. 4
    d penalty/d theta = 2 factor strength
        importance (theta - anchor)                   (4)

`PRESETS` holds published settings:

    preset       g      displacement  clamp    xi    strength factor other
    paper        task   step          none     0.1   0.1      1
    pathint      task   step          running  0.1   0.1      1
    vandeven     total  step          none     0.1   10       1
    mammoth      task   step          none     0.1   0.1      1      clip 1
    mammoth_old  total  descent       none     0.1   0.1      1      clip 1
    avalanche    total  step          none     1e-7  1        1/2  cap 1e-3
    nupic        total  step          task     0.1   0.1      1

"paper" follows the printed equations of [ZPG17].  The default preset
"pathint" follows the code of [ZPG17].  "mammoth" follows the library
mammoth since September 2024, and "mammoth_old" follows earlier versions.
"nupic" follows the library nupic.research.  "vandeven" follows the
repository `continual-learning` of G. van de Ven, with the strength for
split MNIST.  The library avalanche has no default strength; its preset
uses a strength of 1.  The columns are:
  g             With "task", g is the gradient of the task loss.  With
                "total", g includes the gradient of the penalty.
  displacement  With "step", the displacement is the optimiser's update.
                With "descent", the displacement is -rate g, the update of
                plain gradient descent.
  clamp         "running" sets negative importances to 0 after (2).  "task"
                sets negative path integrals to 0 in (2).  "none" allows
                negative importances.
  cap           Eqs. (3) and (4) use min(importance, cap).
  clip          The caller clips the entries of the total gradient to
                [-clip, clip] before the optimiser's step.  In (1), g is
                clipped only if the displacement is "descent".

In its experiments, the code of [ZPG17] uses the following settings.  With
reset_optimiser=True, the caller resets the optimiser after each task.

    experiment               strength    xi     reset_optimiser
    permuted MNIST           0.1         0.1    False
    split MNIST              1           1e-3   True
    CIFAR-10 to CIFAR-100    0.01, 0.1   1e-3   True

Derivation.  To first order, an optimiser step changes the loss by the
    scalar product of the gradient g and the displacement.  For small
    steps, the path integrals of all parameters add up to the decrease of
    the loss during the task.  The path integral (1) of a parameter can
    decrease, because momentum or the penalty (3) can move the parameter in
    a direction that increases the loss.  Because of the division in (2),
    the penalty (3) has the unit of the loss.  The damping constant xi
    limits the importance of a parameter that hardly changed.
Exact.  Eq. (4) is the exact derivative of the penalty.
Cost.   A step takes O(p) time and memory for p parameters.
Departures.  In the first task, the anchors (reference values) in (2) are
    the initial parameters.  In the first task of permuted MNIST, a
    notebook of [ZPG17] sets all anchors (reference values) to 0.  To
    reproduce the notebook of [ZPG17], pass zeros to `begin`.  On a CPU,
    the library avalanche 0.6.0 does not copy the parameters after a task.
    Without a copy of the parameters, the anchors equal the current
    parameters, and the penalty (3) is always 0.  This module copies the
    parameters.

[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import math
from typing import NamedTuple, Union

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, lists, one_of, shown

__all__ = ["PRESETS", "accumulate", "begin", "consolidate", "penalty",
           "penalty_gradient"]


class Settings(NamedTuple):
    """Hold the settings of SI.  The defaults are the preset "pathint"."""
    gradient: str = "task"
    displacement: str = "step"
    rate: float = 1e-3
    clamp: str = "running"
    xi: float = 0.1
    strength: float = 0.1
    factor: float = 1.0
    cap: float = math.inf
    clip: float = math.inf
    reset_optimiser: bool = False


class State(NamedTuple):
    """Hold the state of SI.  The function `begin` describes the fields."""
    path_integral: Union[np.ndarray, list]
    importance: Union[np.ndarray, list]
    anchor: Union[np.ndarray, list]
    steps: int
    tasks: int
    __repr__ = shown


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
SETTINGS = ("settings.rate () in (0, inf), settings.xi () in (0, inf), "
            "settings.strength () in [0, inf), settings.factor () in {0.5, 1}, "
            "settings.cap () in (0, inf], settings.clip () in (0, inf]")
STATE = "state.steps () int in [0, inf), state.tasks () int in [0, inf)"


def begin(parameters):
    """Return the state before the first task.

    >>> state = begin(np.array([1.0, 2.0]))
    >>> state.anchor.tolist(), state.importance.tolist(), state.steps
    ([1.0, 2.0], [0.0, 0.0], 0)

    Parameters
    ----------
    parameters : float array or list of float arrays

    Returns
    -------
    State, in which the anchor is a copy of the parameters, and all else is 0
        path_integral  path integrals of the current task, as `parameters`
        importance     sum over completed tasks
        anchor         parameters after the last task
        steps, tasks   numbers of steps in this task, and of completed tasks
    """
    theta = lists("parameters", parameters)
    return State(*(_formed("parameters", f, parameters, theta)
                   for f in (np.zeros_like, np.zeros_like, np.array)), 0, 0)


def _formed(name, function, like, *groups):
    """Apply a function to each parameter array."""
    with np.errstate(over="ignore", invalid="ignore"):
        # NumPy 1 would promote 0-d float32 arrays to float64.
        found = [np.asarray(function(*given), given[0].dtype)
                 for given in zip(*groups, strict=True)]
    if not all(np.isfinite(a).all() for a in found):
        raise ValueError(f"{name} overflows {found[0].dtype}: must be finite, reduce "
                         "parameters, gradients or settings")
    return found if isinstance(like, (list, tuple)) else found[0]


def accumulate(state, displacement, task_gradient, penalty_gradient=None,
               settings=DEFAULT):
    """Add the contribution of one optimiser step to the path integrals, eq. (1).
    Return a new `State`.

    >>> state = begin(np.array([1.0, 2.0]))
    >>> state = accumulate(state, np.array([-0.5, 0.25]), np.array([4.0, 1.0]))
    >>> state.path_integral.tolist()
    [2.0, -0.25]

    Parameters
    ----------
    state : State
    displacement : array or list of arrays
        Optimiser's update (more accurate), or parameters after the step minus
        a *copy* of the parameters before the step.
    task_gradient : array or list of arrays
        Gradient of the task loss before the step.  Pass a *copy* if the
        gradient of the penalty is added to the same array later.
    penalty_gradient : array or list of arrays, optional
        Gradient of the penalty before the step, for settings.gradient "total".
    settings : Settings; `gradient`, `displacement`, `rate` and `clip` are used

    Notes
    -----
    The following PyTorch code trains a model on a sequence of tasks::

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

    This example ignores the settings `clip` and `reset_optimiser`.  Replace
    each `p.grad` that is None by an array of zeros.
    """
    settings = _settings(settings)
    state, path_integral, _, anchor = _state(state)
    steps = lists("displacement", displacement, anchor, "state.anchor")
    gradients = lists("task_gradient", task_gradient, anchor, "state.anchor")
    if settings.gradient == "total" and penalty_gradient is None:
        raise ValueError("penalty_gradient is None: must be given because "
                         "settings.gradient is 'total'")
    pulls = gradients if penalty_gradient is None \
        else lists("penalty_gradient", penalty_gradient, anchor, "state.anchor")

    def grown(path_integral, step, g, pull):
        g = g + pull if settings.gradient == "total" else g
        if settings.displacement == "descent":
            g = np.clip(g, -settings.clip, settings.clip)
            step = -settings.rate * g
        return path_integral - g * step                                    # (1)

    new = _formed("path_integral", grown, state.anchor, path_integral, steps,
                  gradients, pulls)
    return state._replace(path_integral=new, steps=state.steps + 1)


def consolidate(state, parameters, settings=DEFAULT):
    """Compute parameter importances after a task, eq. (2).  Return a `State`.

    >>> state = begin(np.array([1.0]))
    >>> state = accumulate(state, np.array([-0.5]), np.array([4.0]))
    >>> state = consolidate(state, np.array([0.5]), Settings(xi=0.25))
    >>> float(state.importance[0]), state.anchor.tolist(), state.steps
    (4.0, [0.5], 0)

    Parameters
    ----------
    state, parameters : State, and array or list of arrays
        State and parameters after the last step of the task.
    settings : Settings, of which `clamp` and `xi` are used
    """
    settings = _settings(settings)
    state, path_integral, importance, anchor = _state(state)
    theta = lists("parameters", parameters, anchor, "state.anchor")
    if state.steps < 1:
        raise ValueError(f"state.steps is {state.steps}: must be above 0, call "
                         "`accumulate` in each step of the task")
    if all((t == a).all() for t, a in zip(theta, anchor, strict=True)):
        raise ValueError("parameters equal state.anchor in every entry: must have "
                         "changed since the task began")
    if not any(a.any() for a in path_integral):
        raise ValueError("state.path_integral is 0 in every entry: must differ from "
                         "0, compute displacement from copies of the parameters")

    def grown(old, path_integral, theta, anchor):
        if settings.clamp == "task":
            path_integral = np.maximum(path_integral, 0)
        new = old + path_integral / ((theta - anchor) ** 2 + settings.xi)  # (2)
        return np.maximum(new, 0) if settings.clamp == "running" else new

    form = state.anchor
    return State(_formed("path_integral", np.zeros_like, form, path_integral),
                 _formed("importance", grown, form, importance, path_integral, theta,
                         anchor),
                 _formed("anchor", np.array, form, theta), 0, state.tasks + 1)


def penalty(state, parameters, settings=DEFAULT):
    """Return a float: the penalty on changes of important parameters, eq. (3).

    >>> state = begin(np.zeros(2))._replace(importance=np.array([1.0, 3.0]))
    >>> penalty(state, np.array([2.0, 1.0]), Settings(strength=0.5))
    3.5

    Parameters
    ----------
    state, parameters : as for `consolidate`, but at any step
    settings : Settings, of which `strength`, `factor` and `cap` are used
    """
    settings = _settings(settings)
    scale = settings.factor * settings.strength
    state, _, importance, anchor = _state(state)
    theta = lists("parameters", parameters, anchor, "state.anchor")
    terms = _formed("penalty", lambda old, theta, anchor: np.minimum(
        old, settings.cap) * (theta - anchor) ** 2, [], importance, theta, anchor)
    with np.errstate(over="ignore", invalid="ignore"):
        value = scale * sum(a.sum(dtype=np.float64) for a in terms)        # (3)
    return float(_formed("penalty", np.asarray, None, [value]))


def penalty_gradient(state, parameters, settings=DEFAULT):
    """Return the gradient of the penalty with respect to the parameters, eq. (4).
    Like `state.anchor`, the gradient is an array or a list of arrays.

    >>> state = begin(np.zeros(2))._replace(importance=np.array([1.0, 3.0]))
    >>> theta, settings = np.array([2.0, 1.0]), Settings(strength=0.5)
    >>> penalty_gradient(state, theta, settings).tolist()
    [2.0, 3.0]

    Arguments as for `penalty`.
    """
    settings = _settings(settings)
    scale = 2 * settings.factor * settings.strength
    state, _, importance, anchor = _state(state)
    theta = lists("parameters", parameters, anchor, "state.anchor")
    return _formed(
        "penalty_gradient", lambda old, theta, anchor: scale * (            # (4)
            np.minimum(old, settings.cap) * (theta - anchor)),
        state.anchor, importance, theta, anchor)


def _settings(settings):
    s = bundle("settings", settings, Settings)
    one_of("settings.gradient", s.gradient, "task", "total")
    one_of("settings.displacement", s.displacement, "step", "descent")
    one_of("settings.clamp", s.clamp, "none", "running", "task")
    flags("settings.reset_optimiser", s.reset_optimiser)
    rate, *numbers = arrays(SETTINGS, s.rate, s.xi, s.strength, s.factor, s.cap, s.clip,
                            dtype=np.float64)
    return Settings(s.gradient, s.displacement, rate, s.clamp, *numbers,
                    s.reset_optimiser)


def _state(state):
    """Return the checked state and its arrays."""
    state = bundle("state", state, State)
    anchor = lists("state.anchor", state.anchor)
    found = [*(lists(f"state.{name}", getattr(state, name), anchor, "state.anchor")
               for name in ("path_integral", "importance")), anchor]
    form = found if isinstance(state.anchor, (list, tuple)) else [a for a, in found]
    return State(*form, *arrays(STATE, state.steps, state.tasks)), *found
