"""Compute forward-mode gradients with BrainTrace's learning rules."""

PINS = ("braintrace==0.2.6", "brainstate==0.5.4", "jax==0.10.2")
NEURONS = {}
DECAY = None
VECTORS = ("rtrl", "rtrl_block", "rtrl_implicit", "rnn")


def model(p):
    """Return the network of a vector as a BrainState module."""
    import braintrace
    import brainstate
    import jax

    @jax.custom_jvp
    def spike(v):
        return (v > 0).astype(v.dtype)

    spike.defjvp(lambda v, dv: (spike(*v), dv[0] / (
        1 + p["steepness"] * abs(v[0])) ** 2))

    class Layer(brainstate.nn.Module):
        def __init__(self):
            super().__init__()
            self.W, self.V = (brainstate.ParamState(p[key].T) for key in "WV")

        def init_state(self, **options):
            zero = jax.numpy.zeros((p["x"].shape[1], len(p["W"])))
            self.syn, self.mem = (brainstate.HiddenState(zero) for _ in range(2))

        def update(self, x):
            syn, mem = self.syn.value, self.mem.value
            if "alpha" not in p:                        # the vector "rnn"
                self.mem.value = jax.numpy.tanh(
                    braintrace.matmul(x, self.W.value)
                    + braintrace.matmul(mem, self.V.value))
                return self.mem.value
            spikes = spike(mem - p["threshold"])
            self.mem.value = p["beta"] * mem + p["gain"] * syn - p["threshold"] * spikes
            self.syn.value = (p["alpha"] * syn + braintrace.matmul(x, self.W.value)
                              + braintrace.matmul(spikes, self.V.value))
            return spike(self.mem.value - p["threshold"])

    return Layer()


def results(vectors):
    """Return gradients in float64."""
    import braintrace
    import jax
    import numpy as np
    jax.config.update("jax_enable_x64", True)
    rules = {"rtrl": (braintrace.SnAp, {"n": 9}), "rtrl_block": (
        braintrace.OSTLRecurrent, {}), "rtrl_implicit": (braintrace.D_RTRL, {}),
        "rnn": (braintrace.SnAp, {"n": 9})}
    found = {}
    for name, (rule, options) in rules.items():
        p = {key: jax.numpy.asarray(a) for key, a in vectors[name].inputs.items()}
        net, x, target = model(p), p["x"], p["target"]
        if name != "rnn":           # the spikes of step t follow from x[:t]
            x, target = x[:-1], target[1:]
        learner = braintrace.compile(net, rule, x[0], **options)

        def loss(x, target, learner=learner):
            return ((learner(x) - target) ** 2).sum() / (2 * len(x))

        grads = learner.etrace_grad(x, target, step_fn=loss, reduction="sum")
        for key, slope in grads.items():
            found[f"{name}.d{key[-1]}"] = np.asarray(slope).T
    return found


FAULTS = ()
