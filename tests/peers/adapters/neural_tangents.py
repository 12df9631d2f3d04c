"""Compute tangent kernels and their predictions with neural-tangents."""

PINS = ("neural-tangents==0.6.5", "jax==0.5.3", "jaxlib==0.5.3", "tf2jax==0.3.6")
NEURONS = {}
DECAY = None
VECTORS = ("ntk_full", "ntk_sum_logits", "linearised")


def network(params, x):
    """Return the outputs of a ReLU network with the given list of (W, b)."""
    import jax
    for W, b in params[:-1]:
        x = jax.nn.relu(x @ W.T + b)
    return x @ params[-1][0].T + params[-1][1]


def results(vectors):
    """Return kernels and predicted outputs in float64."""
    import jax
    import neural_tangents as nt
    import numpy as np
    jax.config.update("jax_enable_x64", True)
    found = {}
    for name in VECTORS:
        p = {key: jax.numpy.asarray(a) for key, a in vectors[name].inputs.items()}
        params = [(p[f"W{i}"], p[f"b{i}"]) for i in range(3) if f"W{i}" in p]
        f = network if name != "ntk_sum_logits" else (
            lambda params, x: network(params, x).sum(axis=1, keepdims=True))
        kernel = nt.empirical_ntk_fn(f, trace_axes=())
        if name != "linearised":
            K = kernel(p["x"], None, params)
            found[f"{name}.kernel"] = K if name == "ntk_full" else K[:, :, 0, 0]
            continue
        predict = nt.predict.gradient_descent_mse(
            kernel(p["x"], None, params), p["targets"], trace_axes=(),
            learning_rate=float(p["rate"]) * p["targets"].shape[1])
        found["linearised.train"] = predict(p["steps"], f(params, p["x"]))
    return {key: np.asarray(a) for key, a in found.items()}


FAULTS = ()
