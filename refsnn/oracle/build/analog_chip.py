# refsnn 0.1.0 | oracle/build/analog_chip.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for analog chips."""

import numpy as np

from refsnn import chip, in_the_loop, lif, surrogates
from refsnn.oracle.build.vector import delayed, marked, numbers

WEIGHTS = ("hidden", "recurrent", "readout")


def _emulated(p, effects=()):
    off = chip.Effects(*[None] * len(chip.Effects._fields))
    off = off._replace(**({"weight_limit": 63, "refractory": p["refractory"],
                           "adc_limit": 255, "hidden_peak": True} | dict(effects)))
    one = chip.Chip(
        off, (p["nominal_tau"],) * 2, p["gain"], p["synapse"], p["tau_syn"],
        p["tau_mem"], p["threshold"], p["leak"], p["reset"], p["adc_offset"],
        p["adc_gain"])
    spikes, codes = chip.emulate(
        one, {key: p[key] for key in WEIGHTS}, p["x"],
        rng=np.random.default_rng(0), dt=p["dt"], step=p["step"], scale=p["scale"],
        code=(p["code_leak"], p["code_threshold"]))
    return {"spikes": spikes.astype(float), "codes": codes.astype(float)}


def _chip():
    n, k, m = 5, 3, 6
    N = n + k

    def near(seed, *shape):
        return 0.8 + 0.4 * numbers([45, seed], *shape)

    p = {"x": (numbers([45, 0], 20, 3, m) < 0.25).astype(float),
         "hidden": (96 * numbers([45, 1], n, m) - 33).astype(int),
         "recurrent": (48 * numbers([45, 2], n, n) - 30).astype(int),
         "readout": (60 * numbers([45, 3], k, n) - 30).astype(int),
         "gain": near(4, 2, N), "synapse": near(5, 2, N, m + n),
         "tau_syn": 6e-6 * near(6, 2, N), "tau_mem": 6e-6 * near(7, N),
         "threshold": near(8, N), "leak": 0.2 * near(9, N) - 0.2,
         "reset": 0.2 * near(10, N) - 0.3, "adc_offset": 20 * near(11, N) - 20,
         "adc_gain": near(12, N) - 1, "nominal_tau": 6e-6, "refractory": 2e-6,
         "step": 1.7e-6 / 9, "dt": 1.7e-6, "scale": 60.0, "code_leak": 80.0,
         "code_threshold": 70.0}
    right = _emulated(p)

    def codes(p=p, effects=()):
        return {"codes": _emulated(p, effects)["codes"]}

    def equal(names, value=1):
        return p | {key: value * np.ones_like(p[key]) for key in names.split()}

    analog = codes(effects={"adc_limit": None})["codes"]    # not rounded
    excitatory = {key: np.stack([p[key][0]] * 2) for key in ("gain", "tau_syn")}
    positive = {key: np.maximum(p[key], 0) for key in WEIGHTS}
    early = np.concatenate([p["x"][1:], 0 * p["x"][:1]])
    wrong = {
        "nominal time constants, not the neuron's own":
            _emulated(equal("tau_syn tau_mem", p["nominal_tau"])),
        "gains and synapses taken for equal": _emulated(equal("gain synapse")),
        "excitatory constants for inhibition, too": _emulated(p | excitatory),
        "weights without sign: inhibition lost": _emulated(p | positive),
        "transposed recurrent weights": _emulated(p | {"recurrent": p["recurrent"].T}),
        "refractory time forgotten": _emulated(p, {"refractory": None}),
        "reset to the leak, not to the reset": _emulated(equal("reset", 0)),
        "one integration step for each bin": _emulated(p | {"step": p["dt"]}),
        "input one bin early": _emulated(p | {"x": early}),
        "samples one bin late": {"codes": delayed(right["codes"])},
        "samples before the reset, not after it": codes(effects={"hidden_peak": None}),
        "codes rounded, not truncated": {"codes": np.clip(np.rint(analog), 0, 255)},
        "codes wrapped around, not clipped": {"codes": np.floor(analog) % 256},
        "offsets and gains of the converter left out":
            codes(equal("adc_offset adc_gain", 0))}
    text = ("analog chip without noise: spikes of hidden neurons by bin, 8-bit codes "
            "of hidden neurons and readouts; arrays as in chip.Chip, hidden neurons "
            "first; spikes arrive one step later, refractory times are rounded to "
            "steps, a sample at a spike of a hidden neuron shows the reset potential; "
            "code_leak and code_threshold are 80 and 70 of (12): refsnn.chip, (6)-(9), "
            "(11), (12)")
    return text, p, right, wrong, _chip_idle(p, right)


def _chip_idle(p, right):
    """Mark inputs that affect no output."""
    (n, m), N = p["hidden"].shape, len(p["leak"])
    weights = np.zeros((N, m + n))
    weights[:n] = np.hstack([p["hidden"], p["recurrent"]])
    weights[n:, :n] = p["readout"]
    late = marked(p["x"], -1)
    for at in np.ndindex(late[-2].shape):
        x = p["x"].copy()
        x[(-2, *at)] = 1 - x[(-2, *at)]
        late[(-2, *at)] = np.array_equal(_emulated(p | {"x": x})["spikes"],
                                         right["spikes"])
    readouts = marked(p["leak"], np.s_[n:]), "readouts do not spike"
    return {"x": (late, "too late for a sample or a spike"),
            "synapse": (np.stack([weights <= 0, weights >= 0]),
                        "no weight of this sign"),
            "threshold": readouts, "reset": readouts}


def _in_the_loop():
    T, B, m, n, k = 24, 4, 3, 5, 3
    W, V, W_out = (2 * numbers([18, i], *shape) - 0.75 for i, shape in
                   enumerate(((n, m), (n, n), (k, n)), 1))
    mem = 2.5 * numbers([18, 4], T, B, n) - 0.5
    spikes = (mem > 1).astype(float)
    p = {"x": (numbers([18, 0], T, B, m) < 0.4).astype(float), "hidden": W,
         "recurrent": V, "readout": W_out, "mem": mem, "spikes": spikes,
         "out": np.round(16 * numbers([18, 5], T, B, k) - 6) / 8,
         "labels": np.array([0, 2, 1, 1])}
    p["x"][0] = 1                   # otherwise, early membranes would have no effect
    own = {"tau_syn": 5e-6, "tau_mem": 8e-6, "dt": 2e-6, "gain": 1.0,
           "threshold": 1.0, "steepness": 4.0}
    costs = {"scaling": 3.0, "cost_of_readout": 0.05, "cost_of_bursts": 0.3}
    alpha, beta = (float(np.exp(-own["dt"] / own[key])) for key in
                   ("tau_syn", "tau_mem"))
    steepness, v = own["steepness"], mem - own["threshold"]
    record = in_the_loop.Recording(mem, spikes, p["out"])
    run = lif.Recording(mem, mem, spikes, np.zeros(mem.shape, bool))
    psi = surrogates.fast_sigmoid(v, steepness)[1]

    def loss(scaling, cost_of_readout, cost_of_bursts, reduction="max"):
        return in_the_loop.loss(
            record, p["labels"], reduction=reduction, scaling=scaling,
            readout=cost_of_readout, burst=cost_of_bursts)

    def found(psi=psi, x=p["x"], V=V, beta=beta, gain=1.0, through_reset=False,
              changed=()):
        value, dout, dspikes = loss(**(costs | dict(changed)))
        leak = {"alpha": alpha, "beta": beta, "gain": gain}
        back = lif.readout_backward(spikes, W_out, dout, **leak)
        g = lif.backward(x, W, V, run, psi, dspikes + back.dx, **leak,
                         through_reset=through_reset)
        return {"loss": np.float64(value), "dhidden": g.dW, "drecurrent": g.dV,
                "dreadout": back.dW}

    value, dout, dspikes = loss(**costs)
    weights = {key: p[key] for key in WEIGHTS}
    g = in_the_loop.gradients(weights, p["x"], record, dout, dspikes, **own)
    right = {"loss": np.float64(value)} | {
        f"d{key}": a for key, a in g._asdict().items()}
    wrong = {
        ("surrogate without +1", "[CB22] eq. 5 as printed"):
            found((steepness * np.maximum(np.abs(v), 1 / 64)) ** -2.0),
        ("surrogate times its steepness", "fzenke/spytorch#2"): found(steepness * psi),
        ("surrogate read at the membrane, threshold forgotten", "synsense/sinabs#97"):
            found(surrogates.fast_sigmoid(mem, steepness)[1]),
        "gradient passes through the reset": found(through_reset=True),
        "transposed V": found(V=V.T),
        "input one step late": found(x=delayed(p["x"])),
        "one decay for both, that of the current": found(beta=alpha),
        "gain 1 - beta": found(gain=1 - beta),
        "sum over time, not the maximum": found(changed={"reduction": "sum"}),
        "scores not scaled": found(changed={"scaling": 1.0}),
        "no cost of bursts": found(changed={"cost_of_bursts": 0.0}),
        "no cost of the readout": found(changed={"cost_of_readout": 0.0})}
    text = ("loss of a chip's recording and its gradient for the weights, with nominal "
            "constants, v = mem, o = out, maximum over time, r = 0, costs (5) and (6); "
            "the last of tied steps carries the derivative: refsnn.in_the_loop, "
            "(2)-(6), (8)-(11)")
    idle = {"x": (marked(p["x"], -1, -2), "the last two steps reach no membrane"),
            "mem": (marked(mem, 0, 1), "no weight acts on the first two steps"),
            "hidden": (marked(W), "the recording holds their effect")}
    return text, p | own | costs, right, wrong, idle
