# refsnn 0.1.0 | oracle/models_vectors.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors of a chip and of images, each with its wrong answers.

The emulated chip, a convolutional network, and training as the tangent
kernel foretells it, as `Vector`s of `conformance_spikes`.
"""

import numpy as np

from refsnn import chip, convnet, mlp, ntk, ntk_dynamics
from refsnn.oracle.spikes_vectors import Mutant, Vector, delayed, numbers

__all__ = ["MODELS"]


# ---- the chip -----------------------------------------------------------------------

def _chip_problem():
    """Weights, input, and every private number of a chip of eight neurons."""
    n, k, m = 5, 3, 6
    N = n + k

    def near(seed, *shape):
        return 0.8 + 0.4 * numbers([45, seed], *shape)

    return {
        "x": (numbers([45, 0], 20, 3, m) < 0.25).astype(float),
        "hidden": (96 * numbers([45, 1], n, m) - 33).astype(int),
        "recurrent": (48 * numbers([45, 2], n, n) - 30).astype(int),
        "readout": (124 * numbers([45, 3], k, n) - 62).astype(int),
        "gain": near(4, 2, N), "synapse": near(5, 2, N, m + n),
        "tau_syn": 6e-6 * near(6, 2, N), "tau_mem": 6e-6 * near(7, N),
        "threshold": near(8, N), "leak": 0.2 * near(9, N) - 0.2,
        "reset": 0.2 * near(10, N) - 0.3, "adc_offset": 20 * near(11, N) - 20,
        "adc_gain": near(12, N) - 1, "nominal_tau": 6e-6, "refractory": 2e-6,
        "step": 1.7e-6 / 9, "dt": 1.7e-6, "scale": 60.0, "code_leak": 80.0,
        "code_threshold": 70.0}


def _emulated(p, weights=(), step=None, effects=()):
    """A run with nothing random in it: spikes and codes."""
    off = chip.Effects(*[None] * len(chip.Effects._fields))
    off = off._replace(**{"weight_limit": 63, "refractory": p["refractory"],
                          "adc_limit": 255, "hidden_peak": True} | dict(effects))
    one = chip.Chip(
        off, (p["nominal_tau"],) * 2, p["gain"], p["synapse"], p["tau_syn"],
        p["tau_mem"], p["threshold"], p["leak"], p["reset"], p["adc_offset"],
        p["adc_gain"], np.zeros((2, 6, len(p["leak"]))))
    weights = {name: p[name] for name in ("hidden", "recurrent", "readout")} \
        | dict(weights)
    spikes, codes = chip.emulate(
        one, weights, p["x"], rng=np.random.default_rng(0), dt=p["dt"],
        step=p["step"] if step is None else step, scale=p["scale"],
        code=(p["code_leak"], p["code_threshold"]))
    return {"spikes": spikes.astype(float), "codes": codes.astype(float)}


def _chip():
    """An emulated chip: its own constants, its reset, its converter."""
    p = _chip_problem()
    right, even = _emulated(p), np.ones_like
    bare = _emulated(p, effects={"adc_limit": None})["codes"]
    taus = {key: p["nominal_tau"] * even(p[key]) for key in ("tau_syn", "tau_mem")}
    mutants = [
        Mutant("nominal time constants, not the neuron's own", "", _emulated(p | taus)),
        Mutant("gains and synapses taken for equal", "", _emulated(
            p | {key: even(p[key]) for key in ("gain", "synapse")})),
        Mutant("excitatory constants for inhibition, too", "", _emulated(
            p | {key: np.stack([p[key][0]] * 2) for key in ("gain", "tau_syn")})),
        Mutant("weights without sign: inhibition lost", "", _emulated(p, {
            key: np.maximum(p[key], 0) for key in ("hidden", "recurrent", "readout")})),
        Mutant("transposed recurrent weights", "", _emulated(p, {
            "recurrent": p["recurrent"].T})),
        Mutant("refractory time forgotten", "", _emulated(
            p, effects={"refractory": None})),
        Mutant("reset to the leak, not to the reset", "", _emulated(
            p | {"reset": 0 * p["reset"]})),
        Mutant("one integration step for each bin", "", _emulated(p, step=p["dt"])),
        Mutant("input one bin early", "", _emulated(p | {
            "x": np.concatenate([p["x"][1:], 0 * p["x"][:1]])})),
        Mutant("samples one bin late", "", {"codes": delayed(right["codes"])}),
        Mutant("samples before the reset, not after it", "", {
            "codes": _emulated(p, effects={"hidden_peak": None})["codes"]}),
        Mutant("converter rounds; it cuts off", "", {
            "codes": np.clip(np.rint(bare), 0, 255)}),
        Mutant("converter wraps around; it saturates", "", {
            "codes": np.floor(bare) % 256}),
        Mutant("offsets and gains of the converter left out", "", {
            "codes": _emulated(p | {key: 0 * p[key] for key in (
                "adc_offset", "adc_gain")})["codes"]})]
    return Vector("chip", "an analog chip with nothing random in it: spikes of the n "
                  "hidden neurons by bin, and 8-bit codes of hidden neurons and "
                  "readouts; arrays as in chip.Chip, hidden neurons first: "
                  "refsnn.chip, (7)-(11), (13)", p, right, mutants, False)


# ---- images --------------------------------------------------------------------------

def _image_gradient(p, dz):
    """dW0 and db0 of what reaches the first layer's z."""
    patches = np.lib.stride_tricks.sliding_window_view(p["x"], (3, 3), (1, 2))
    return {"dW0": np.einsum("nyxo,nyxcij->oijc", dz, patches),
            "db0": dz.sum(axis=(0, 1, 2))}


def _image_problem():
    """Images, a convolution and a dense layer, and what to derive."""
    return {
        "x": 2 * numbers([46, 0], 3, 7, 7, 2) - 1,
        "W0": 2 * numbers([46, 1], 3, 3, 3, 2) - 1, "b0": numbers([46, 2], 3) - 0.5,
        "W1": 2 * numbers([46, 3], 4, 12) - 1, "b1": numbers([46, 4], 4) - 0.5,
        "doutputs": 2 * numbers([46, 5], 3, 4) - 1}


def _image_run(p, W0, W1):
    """What the layer's z was, and the vector's outputs."""
    weights = [np.ascontiguousarray(W) for W in (W0, W1)]
    r = convnet.forward(weights, [p["b0"], p["b1"]], p["x"], (True,))
    (dW0, dW1), (db0, db1) = convnet.backward(weights, r, p["doutputs"], (True,))
    return r, {"outputs": r.outputs, "dW0": dW0, "dW1": dW1, "db0": db0, "db1": db1}


def _convnet():
    """A convolution, a pool and a dense layer."""
    p = _image_problem()
    W0, W1 = p["W0"], p["W1"]
    r, right = _image_run(p, W0, W1)
    z = r.pre[0][:, :4, :4]
    windows = z.reshape(3, 2, 2, 2, 2, 3)
    dx = (p["doutputs"] @ W1).reshape(3, 2, 1, 2, 1, 3)
    top = windows == windows.max(axis=(2, 4), keepdims=True)

    def spread(gate):
        dz = np.zeros_like(r.pre[0])
        dz[:, :4, :4] = (gate * dx).reshape(z.shape)
        return _image_gradient(p, dz)

    mean = np.maximum(windows, 0).mean(axis=(2, 4)).reshape(3, 12)
    ragged = np.maximum(r.pre[0][:, 1:, 1:].reshape(windows.shape).max(axis=(2, 4)), 0)
    channels_first = W1.reshape(4, 3, 2, 2).transpose(0, 2, 3, 1).reshape(4, 12)
    mutants = [
        Mutant("kernel turned over: convolution, not correlation", "", _image_run(
            p, W0[:, ::-1, ::-1], W1)[1]),
        Mutant("rows and columns of the kernel exchanged", "", _image_run(
            p, W0.swapaxes(1, 2), W1)[1]),
        Mutant("map read by channel, row, column", "", {
            "outputs": _image_run(p, W0, channels_first)[1]["outputs"]}),
        Mutant("mean of the window, not its largest", "", {
            "outputs": mean @ W1.T + p["b1"]}),
        Mutant("first row and column dropped, not the last", "", {
            "outputs": ragged.reshape(3, 12) @ W1.T + p["b1"]}),
        Mutant("gradient to the whole window", "", spread(windows > 0)),
        Mutant("gradient through a shut ReLU", "", spread(top)),
        Mutant("db averaged, not summed, over positions", "", {
            "db0": right["db0"] / 25}),
        Mutant("averaged, not summed, over samples", "", {
            key: right[key] / 3 for key in ("dW0", "dW1", "db0", "db1")})]
    return Vector("convnet", "z = W0 * x + b0 (3 x 3, stride 1, no padding), 2 x 2 "
                  "windows' largest, ReLU, rows (row, column, channel), W1 . + b1: "
                  "outputs and the gradient, summed over samples, of sum outputs "
                  "doutputs: refsnn.convnet, (1)-(5)", p, right, mutants, False)


def _training():
    """A network and what it is to learn."""
    return {
        "W0": 2 * numbers([47, 0], 6, 3) - 1, "b0": numbers([47, 1], 6) - 0.5,
        "W1": 2 * numbers([47, 2], 2, 6) - 1, "b1": numbers([47, 3], 2) - 0.5,
        "x": 2 * numbers([47, 4], 4, 3) - 1, "x_test": 2 * numbers([47, 5], 3, 3) - 1,
        "targets": 2 * numbers([47, 6], 4, 2) - 1, "steps": np.array([1, 10, 100]),
        "rate": 0.02}


def _linearised():
    """Outputs during training, foretold from the kernel before it."""
    p = _training()
    weights, biases = [p["W0"], p["W1"]], [p["b0"], p["b1"]]
    runs = [mlp.forward(weights, biases, p[key]) for key in ("x", "x_test")]
    train, test = ((r.inputs, mlp.signals(weights, r)) for r in runs)
    own, other = ntk.kernel(train), ntk.kernel(test, train)
    start, unseen = (r.outputs for r in runs)

    def foretold(own=own, other=other, steps=p["steps"], rate=p["rate"], loss="mean",
                 start=start, unseen=unseen):
        return ntk_dynamics.predict(own, start, p["targets"], steps, rate=rate,
                                    loss=loss, cross=other, test_outputs=unseen
                                    )._asdict()
    values, Q = np.linalg.eigh(own.transpose(0, 2, 1, 3).reshape(8, 8))
    flow = [(Q * np.exp(-p["rate"] / 4 * values * s)) @ Q.T @ (
        start - p["targets"]).ravel() for s in p["steps"]]
    last = [(r.inputs[-1:], mlp.signals(weights, r)[-1:]) for r in runs]
    mutants = [
        Mutant("continuous flow, not steps", "", {
            "train": p["targets"] + np.reshape(flow, (3, 4, 2))}),
        Mutant("square without its 1/2: rate doubled", "", foretold(
            rate=2 * p["rate"])),
        Mutant("summed, not averaged, over samples", "", foretold(loss="sum")),
        Mutant("kernel averaged over outputs: none couple", "google/neural-tangents#7",
               foretold(*(np.trace(K, axis1=2, axis2=3)[..., None, None] / 2 * np.eye(2)
                          for K in (own, other)))),
        Mutant("outputs taken for uncoupled", "", foretold(
            own * np.eye(2), other * np.eye(2))),
        Mutant("last layer's kernel alone", "", foretold(
            ntk.kernel(last[0]), ntk.kernel(last[1], last[0]))),
        Mutant("outputs at the start taken for 0", "", foretold(
            start=0 * start, unseen=0 * unseen)),
        Mutant("one step too many", "", foretold(steps=p["steps"] + 1))]
    return Vector("linearised", "f = W1 relu(W0 x + b0) + b1 after steps of gradient "
                  "descent on 1/(2 N) sum (f - targets)^2 over the N samples x, for x "
                  "and x_test, foretold with the kernel of all parameters at the "
                  "start: refsnn.ntk_dynamics, (2) and (4)", p, foretold(), mutants,
                  False)


MODELS = {"chip": _chip, "convnet": _convnet, "linearised": _linearised}
