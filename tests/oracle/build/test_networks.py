"""Vectors of other networks by finite differences and by hand."""

import numpy as np
import pytest
from proofs import slopes_hold
from tolerances import RTOL

from refsnn import losses, rnn
from refsnn.oracle import check
from refsnn.oracle.diagnose import random_networks

VECTORS = check.vectors(["rnn", "lstm", "spike_time", "convnet"])
STEP = 1e-5


def squash(z):
    return 1 / (1 + np.exp(-z))


def rnn_loss(p):
    """States and loss of a tanh network, step by step."""
    h, states = np.zeros(p["target"].shape[1:]), []
    for x in p["x"]:
        h = np.tanh(x @ p["W"].T + h @ p["V"].T)
        states.append(h)
    return np.array(states), half_square(states, p["target"])


def lstm_loss(p):
    """Outputs and loss of an LSTM, gate by gate."""
    h, c, outputs = *np.zeros((2, *p["target"].shape[1:])), []
    for x in p["x"]:
        i, f, g, o = np.split((x * p["x_mask"]) @ p["W"].T + h @ p["V"].T + p["b"], 4,
                              axis=1)
        c = squash(f) * c + squash(i) * np.tanh(g)
        h = squash(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), half_square(outputs, p["target"])


def half_square(found, target):
    return ((np.array(found) - target) ** 2).sum() / (2 * target.shape[1])


def crossing(weights, inputs, p):
    """Time at which a unit first passes the threshold, by bisection."""
    def membrane(t):
        ago = np.maximum(t - inputs, 0) / p["tau"]
        return p["tau"] * weights @ (1 - np.exp(-ago)) - p["threshold"]

    low, high = 0.0, 20.0           # weights above 0: the membrane never falls
    for _ in range(70):
        middle = (low + high) / 2
        low, high = (low, middle) if membrane(middle) > 0 else (middle, high)
    return high


def spike_time_loss(p):
    """Spike times by bisection, and their loss."""
    times = np.array([[crossing(W, t, p) for W in p["W"]] for t in p["inputs"]])
    e = np.exp(-times / p["scale"])
    own = e[np.arange(len(e)), p["labels"]] / e.sum(axis=1)
    return times, -np.log(own).mean()


MODELS = {"rnn": (rnn_loss, "h", ("W", "V", "x")),
          "lstm": (lstm_loss, "h", ("W", "V", "b", "x")),
          "spike_time": (spike_time_loss, "times", ("W", "inputs"))}


@pytest.mark.parametrize("name", MODELS)
def test_right_answers_by_differences_of_the_model_written_out(name):
    model, shown, keys = MODELS[name]
    p, right = VECTORS[name].inputs, VECTORS[name].outputs
    found, loss = model(p)
    assert np.allclose(found, right[shown], rtol=1e-12)
    assert np.isclose(loss, right["loss"], rtol=1e-12)
    rng = np.random.default_rng(5)
    for key in keys:
        toward = rng.normal(size=p[key].shape)
        if key == "inputs":                         # others are too late to matter
            assert (right["dinputs"] == 0).any()
        up, down = (model(p | {key: p[key] + sign * STEP * toward})[1]
                    for sign in (1, -1))
        slope = float((right[f"d{key}"] * toward).sum())
        assert abs(slope) > 1e-3
        assert np.isclose((up - down) / (2 * STEP), slope, rtol=1e-6), key


def test_some_inputs_are_too_late_for_each_unit_and_no_time_is_tied():
    p, times = VECTORS["spike_time"].inputs, VECTORS["spike_time"].outputs["times"]
    gaps = times[:, :, None] - p["inputs"][:, None]
    assert (gaps < 0).any(axis=2).all() and np.abs(gaps).min() > 1e-3


def test_functions_of_somebody_else():
    def own(p, late=False):
        h = rnn.simulate(p["x"], p["W"], p["V"])
        dh = losses.square(h, p["target"])[1]
        dW, dV, dx, _ = rnn.backward(p["x"], p["W"], p["V"], h, dh)
        if late:                                    # box 2 as printed
            d, dV = 0 * h[0], 0 * dV
            for t in reversed(range(len(h))):
                d = (dh[t] + d @ p["V"]) * (1 - h[t] ** 2)
                dV += d.T @ h[t]
        return {"h": h, "dW": dW, "dV": dV, "dx": dx}

    assert random_networks.assert_correct("rnn", own) > 20
    with pytest.raises(AssertionError, match="presynaptic states of dV one step early"):
        random_networks.assert_correct("rnn", lambda p: own(p, True))
    assert random_networks.assert_correct("lstm", lambda p: {"h": lstm_loss(p)[0]}) > 20
    with pytest.raises(AssertionError, match="forget gates biased by 1 more"):
        random_networks.assert_correct("lstm", lambda p: {"h": lstm_loss(p | {
            "b": p["b"] + np.repeat([0, 1, 0, 0], len(p["b"]) // 4)})[0]})


def test_a_gate_order_is_named():
    vector = VECTORS["lstm"]
    p, rows = vector.inputs, np.arange(12).reshape(4, 3)[[0, 1, 3, 2]].ravel()
    h, loss = lstm_loss(p | {key: p[key][rows] for key in ("W", "V", "b")})
    told = [f.text for f in check.check({"lstm.h": h, "lstm.loss": loss})
            if f.status == "fault"]
    words = "equals known mistake: gates in the order i, f, o, g"
    assert len(told) == 1 and words in told[0]


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name.startswith(words))


def close(a, b):
    return np.allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())


MISTAKES = {            # mistake: change of outputs()
    "kernel turned over: convolution, not correlation":
        {"kernel": lambda W: W[:, ::-1, ::-1]},
    "rows and columns of the kernel exchanged": {"kernel": lambda W: W.swapaxes(1, 2)},
    "map read by channel, row, column": {"channel": True},
    "mean of the window, not its largest": {"mean": True},
    "first row and column dropped, not the last": {"start": 1}}


def outputs(p, W0, b0, W1, b1, kernel=lambda W: W, channel=False, mean=False, start=0):
    """The network position by position; distance of its maxima to flips.  The
    options are mistakes."""
    W0 = kernel(W0)
    N, side, _, _ = p["x"].shape
    z = np.zeros((N, side - 2, side - 2, len(W0)))
    for row in range(side - 2):
        for column in range(side - 2):
            patch = p["x"][:, row:row + 3, column:column + 3]
            z[:, row, column] = np.einsum("nijc,oijc->no", patch, W0) + b0
    rows, least = [], np.abs(z).min()
    for row in (start, start + 2):
        for column in (start, start + 2):
            window = np.sort(z[:, row:row + 2, column:column + 2].reshape(N, 4, -1), 1)
            least = min(least, (window[:, 3] - window[:, 2]).min())
            rows.append(np.maximum(window, 0).mean(axis=1) if mean
                        else np.maximum(window[:, 3], 0))
    flat = np.stack(rows, axis=2 if channel else 1).reshape(N, -1)
    return flat @ W1.T + b1, least


def test_the_convolution_by_loops_and_differences():
    p, right = VECTORS["convnet"].inputs, VECTORS["convnet"].outputs
    names = ("W0", "b0", "W1", "b1")
    found, least = outputs(p, *(p[key] for key in names))
    assert close(found, right["outputs"]) and least > 1e-3
    for seed, name in enumerate(names):
        def value(array, name=name):
            return (p["doutputs"] * outputs(p, *(
                array if key == name else p[key] for key in names))[0]).sum()

        assert slopes_hold(value, p[name], right[f"d{name}"], seed)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_gradients_of_a_wrong_convolution_belong_to_its_outputs(mistake):
    """As automatic differentiation of the mistake gives them."""
    p, right, names = VECTORS["convnet"].inputs, VECTORS["convnet"].outputs, (
        "W0", "b0", "W1", "b1")
    wrong = mutant("convnet", mistake)
    found, least = outputs(p, *(p[key] for key in names), **MISTAKES[mistake])
    assert close(found, wrong["outputs"]) and not close(found, right["outputs"])
    tied = mistake.startswith("first")      # there, W0 and b0 have no derivative
    assert (least == 0) == tied
    for seed, name in enumerate(names[2 * tied:]):
        def value(array, name=name):
            return (p["doutputs"] * outputs(p, *(
                array if key == name else p[key] for key in names),
                **MISTAKES[mistake])[0]).sum()

        assert slopes_hold(value, p[name], wrong.get(f"d{name}", right[f"d{name}"]),
                           seed)
