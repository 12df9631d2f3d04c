"""Compute jaxsnn's gradients of spike times."""

PINS = ("jaxsnn==0.3.0", "jax==0.10.2")
NEURONS = {}
DECAY = None
VECTORS = ()
GRADIENTS = ("backprop_method='eventprop'", "backprop_method='analytical'")
EVENTS = 30             # more than a layer has, input and output spikes


def spike_times(name, p):
    """Return spike times and gradients in float64."""
    import jax
    import numpy as np
    jax.config.update("jax_enable_x64", True)
    from jaxsnn.event.modules import LIF, Linear, Source
    from jaxsnn.event.modules.lif.lif import LIFParameters
    from jaxsnn.event.topology import Topology
    from jaxsnn.event.types import Spike
    neuron = LIFParameters(v_th=p["threshold"], tau_syn=p["tau_syn"],
                           tau_mem=p["tau_mem"])
    n, m = p["W"].shape
    net = Topology(t_max=p["until"], backprop_method=name.split("'")[1])
    net.add({"in": Source(m), "lower": LIF(n, EVENTS, neuron),
             "upper": LIF(n, EVENTS, neuron),
             "W": Linear(pre_weights=p["W"].T), "W2": Linear(pre_weights=p["W2"].T)})
    net.connect([("in", "W"), ("W", "lower"), ("lower", "W2"), ("W2", "upper")])
    init, apply = net.done()
    none = jax.numpy.zeros((1, len(p["input_times"])))

    def loss(weights, times):
        spikes = Spike(time=times[None], idx=p["input_units"][None], current=none,
                       layer_idx=none.astype(int), internal=none == 0)
        found = apply({"in": spikes}, weights)["upper"]
        errors = found.time - jax.numpy.asarray(p["target"])[found.idx]
        return (errors ** 2 * found.internal).sum() / 2, found

    (dweights, dtimes), found = jax.grad(loss, (0, 1), has_aux=True)(
        init(jax.random.PRNGKey(0)), jax.numpy.asarray(p["input_times"]))
    on = np.asarray(found.internal[0])
    time, unit = (np.asarray(row[0])[on] for row in (found.time, found.idx))
    return {"times": time[np.lexsort((time, unit))], "dinput_times": np.asarray(dtimes)
            } | {f"d{key}": np.asarray(dweights[key]).T for key in ("W", "W2")}


FAULTS = ()
