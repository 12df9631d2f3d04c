"""New golden vectors are accepted with answers by PyTorch and by JAX, in float64.

The answers are written from the texts of the vectors, with automatic differentiation.
"""

import numpy as np
import pytest

from refsnn.oracle import check


class Torch:
    """Hold the operations of PyTorch that the answers need."""

    def __init__(self):
        self.np = pytest.importorskip("torch", reason="torch is missing: extra peers")
        self.erf = self.np.special.erf

    def array(self, a):
        return self.np.as_tensor(a, dtype=self.np.float64)

    def stop(self, a):
        return a.detach()

    def grads(self, f, p, names):
        own = {key: self.array(p[key]).clone().requires_grad_() for key in names}
        value, seen = f(p | own)
        slopes = self.np.autograd.grad(value, list(own.values()))
        return value.detach(), seen, dict(zip(names, slopes, strict=True))


class Jax:
    """Hold the same operations of JAX."""

    def __init__(self):
        self.jax = pytest.importorskip("jax", reason="jax is missing: extra peers")
        self.np, self.stop = self.jax.numpy, self.jax.lax.stop_gradient
        self.erf = self.jax.scipy.special.erf

    def array(self, a):
        return self.np.asarray(a, dtype=float)

    def grads(self, f, p, names):
        def value(own):
            return f(p | own)
        (found, seen), slopes = self.jax.value_and_grad(value, has_aux=True)(
            {key: self.array(p[key]) for key in names})
        return found, seen, slopes


@pytest.fixture(params=[Torch, Jax])
def b(request):
    backend = request.param()
    if request.param is Torch:
        yield backend
        return
    before = backend.jax.config.jax_enable_x64
    backend.jax.config.update("jax_enable_x64", True)
    yield backend
    backend.jax.config.update("jax_enable_x64", before)


def layer(b, p, rule=None, rest=None, steps=None):
    """Return spikes, potentials and the next state of a LIF or ALIF layer."""
    x, W = b.array(p["x"]), p["W"]
    syn = mem = adapted = b.np.zeros((x.shape[1], len(W)), dtype=x.dtype)
    syn, mem = rest or (syn, mem)
    spikes, potentials = [], []
    for now in x if steps is None else x[steps]:
        v = mem - p.get("adaptation", 0) * adapted - p["threshold"]
        soft = v / (1 + p["steepness"] * abs(v))
        s = (b.stop(v) > 0) * 1.0 + soft - b.stop(soft)
        fixed = b.stop(s)
        reset = p["threshold"] * (fixed if rule == "eprop" else s)
        drive = now @ W.T
        if "V" in p:
            V = p["V"]
            drive = drive + (fixed if rule not in (None, "exact") else s) @ V.T
            if rule == "block":         # the own spikes stay
                drive = drive + (s - fixed) * b.np.diagonal(V)
        spikes.append(s)
        potentials.append(mem)
        syn, mem = p["alpha"] * syn + drive, p["beta"] * mem + p["gain"] * syn - reset
        adapted = p.get("rho", 0) * adapted + s
    return b.np.stack(spikes), b.np.stack(potentials), (syn, mem)


def tensors(b, p):
    return {key: b.array(a) for key, a in p.items()}


def loss(p, spikes):
    return ((spikes - p["target"]) ** 2).sum() / (2 * spikes.shape[1])


def online_steps(b, p):
    found = {}
    for rule in ("exact", "block", "implicit", "eprop"):
        rows = []
        for t in range(len(p["x"])):
            def at(p, t=t, rule=rule):
                spikes, mem, _ = layer(b, p, rule)
                return loss(p | {"target": p["target"][t]}, spikes[t:t + 1]), (
                    spikes, mem)
            value, seen, slopes = b.grads(at, tensors(b, p), ("W", "V"))
            rows.append((value, np.concatenate([
                np.ravel(slopes[key]) for key in ("W", "V")])))
        found[f"dWV_{rule}"] = np.array([row for _, row in rows])
    return found | {"loss": sum(float(value) for value, _ in rows),
                    "spikes": b.stop(seen[0]), "mem": b.stop(seen[1])}


def bptt_adaptive(b, p):
    def run(p):
        spikes, mem, _ = layer(b, p)
        return loss(p, spikes), (spikes, mem)
    value, seen, slopes = b.grads(run, tensors(b, p), (
        "W", "V", "rho", "threshold", "adaptation"))
    return {"loss": value, "spikes": b.stop(seen[0]), "mem": b.stop(seen[1])} | {
        f"d{key}": slope for key, slope in slopes.items()}


def lif_chunks(b, p):
    cut, given = int(p["cut"]), tensors(b, p)

    def run(p):
        first, mem, state = layer(b, p, steps=slice(cut))
        state = state[0] + p["dsyn"], state[1] + p["dmem"]
        last, more, _ = layer(b, p, rest=state, steps=slice(cut, None))
        spikes = b.np.concatenate([first, last])
        return loss(p, spikes), (spikes, b.np.concatenate([mem, more]))

    nothing = np.zeros((p["x"].shape[1], len(p["W"])))
    value, seen, slopes = b.grads(run, given | {"dsyn": nothing, "dmem": nothing}, (
        "W", "V", "x", "dsyn", "dmem"))
    return {"loss": value, "spikes": b.stop(seen[0]), "mem": b.stop(seen[1])} | {
        key if key[0] == "d" else f"d{key}": slope for key, slope in slopes.items()}


def lif_wide_decays(b, p):
    def run(p):
        spikes, mem, _ = layer(b, p)
        return loss(p, spikes), (spikes, mem)
    value, (spikes, mem), slopes = b.grads(run, tensors(b, p), (
        "W", "x", "alpha", "beta"))
    return {"loss": value, "counts": b.stop(spikes.sum(2)),
            "mem_sum": b.stop(mem.sum(2)), "dW_sum": slopes["W"].sum(0),
            "dx": slopes["x"], "dalpha_sum": slopes["alpha"].sum(),
            "dbeta_sum": slopes["beta"].sum()}


NAMES = "W0", "W1", "b0", "b1"


def squares(b, p, x, weights):
    """Mean over x of squared scores, with a weight for each sample and label."""
    total = dict.fromkeys(NAMES, 0)
    for row, shares in zip(x, weights, strict=True):
        for y in np.flatnonzero(shares):
            def score(p, row=row, y=y):
                return log_law(b, p, b.array(row))[int(y)], None
            _, _, slopes = b.grads(score, p, NAMES)
            for key in NAMES:
                total[key] = total[key] + shares[y] * np.asarray(
                    slopes[key]) ** 2 / len(x)
    return total


def log_law(b, p, x):
    hidden = p["W0"] @ x + p["b0"]
    f = p["W1"] @ (hidden * (b.stop(hidden) > 0)) + p["b1"]
    return f - b.np.log(b.np.exp(f).sum())


def odds(b, p, x):
    return [np.exp(np.asarray(b.stop(log_law(b, tensors(b, p), b.array(row)))))
            for row in x]


def fisher(b, p):
    own, K = {key: p[key] for key in NAMES}, np.eye(len(p["b1"]))
    return {f"{kind}_{key}": F for kind, weights in (
        ("empirical", K[p["labels"]]), ("sampled", K[p["drawn"]]),
        ("exact", odds(b, own, p["x"]))) for key, F in squares(
        b, tensors(b, own), p["x"], weights).items()}


def ewc_online(b, p):
    F = dict.fromkeys(NAMES, 0)
    for when in ("", "second_"):
        own, x = {key: p[when + key] for key in NAMES}, p[f"{when}x"]
        new = squares(b, tensors(b, own), x, odds(b, own, x))
        F = {key: p["decay"] * F[key] + new[key] for key in NAMES}

    def penalty(q):
        return p["decay"] * p["strength"] / 2 * sum((b.array(F[key]) * (
            q[key] - b.array(p[f"second_{key}"])) ** 2).sum() for key in NAMES), None

    moved = {key: p[f"moved_{key}"] for key in NAMES}
    value, _, slopes = b.grads(penalty, moved, NAMES)
    return {"penalty": value} | {f"F_{key}": F[key] for key in NAMES} | {
        f"dpenalty_{key}": slope for key, slope in slopes.items()}


def surrogates_threshold(b, p):
    k, np_ = p["steepness"], b.np

    def least(v):
        return np_.clip(k * abs(v), 0, 1)

    curves = {
        "fast_sigmoid": lambda v: k * v / (1 + k * abs(v)),
        "sigmoid": lambda v: 2 * np_.tanh(k * v / 2),
        "triangle": lambda v: np_.sign(v) * (least(v) - least(v) ** 2 / 2),
        "gaussian": lambda v: (np.pi / 2) ** 0.5 * b.erf(k * v / 2 ** 0.5),
        "arctan": lambda v: np_.arctan(k * v),
        "slayer": lambda v: np_.sign(v) * (1 - np_.exp(-k * abs(v))),
        "boxcar": lambda v: np_.sign(v) * least(v)}
    found = {}
    for name, f in curves.items():
        for end, place in (("", lambda u: u - p["threshold"]),
                           ("_ratio", lambda u: u / p["threshold"] - 1)):
            _, _, slopes = b.grads(lambda q, f=f, place=place: (
                f(place(q["mem"])).sum() / k, None), {"mem": p["mem"]}, ("mem",))
            found[name + end] = slopes["mem"]
    return found


def binning(b, p):
    edges = b.array(np.arange(p["T"] + 1) * p["dt"])
    late = b.array(p["times"])[:, None] >= edges
    units = b.array(p["units"])[:, None] == b.np.arange(int(p["m"]))
    return {"counts": ((late[:, :-1] & ~late[:, 1:]) * 1.0).T @ (units * 1.0)}


ANSWERS = {function.__name__: function for function in (
    online_steps, bptt_adaptive, lif_chunks, lif_wide_decays, fisher, ewc_online,
    surrogates_threshold, binning)}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_by_automatic_differentiation_are_right(b, name):
    vector = check.vectors([name])[name]
    found = ANSWERS[name](b, vector.inputs)
    assert found.keys() == vector.outputs.keys()
    told = check.check({f"{name}.{key}": np.asarray(a) for key, a in found.items()},
                       {name: vector})
    assert {row.status for row in told} == {"right"}, told
