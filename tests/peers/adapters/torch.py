"""Record a plain PyTorch loop of LIF neurons, and PyTorch's own modules."""

PINS = ("torch==2.13.0",)
NEURONS = {"loop of the adapter": "refsnn lif (refsnn)"}
RECURRENT = ("loop of the adapter",)
DECAY = "exact"
VECTORS = ("lif_forward", "bptt", "bptt_detached", "rnn", "lstm", "ntk_full",
           "optimisers", "max_over_time")


def spike(v, steepness):
    """Return H(v), with the derivative of the fast sigmoid."""
    soft = v / (1 + steepness * v.abs())
    return (v > 0).to(v.dtype) + (soft - soft.detach())


def layer(x, W, V, alpha, beta, gain, threshold, steepness=2.0, through=True):
    """Return the recordings of a LIF layer."""
    import torch
    syn = mem = torch.zeros(x.shape[1], len(W), dtype=W.dtype)
    found = []
    for now in x:
        spikes = spike(mem - threshold, steepness)
        found.append((spikes, mem, syn))
        reset = threshold * (spikes if through else spikes.detach())
        back = 0 if V is None else spikes @ V.T
        syn, mem = (alpha * syn + now @ W.T + back, beta * mem + gain * syn - reset)
    return dict(zip(("spikes", "mem", "syn"), map(torch.stack, zip(
        *found, strict=True)), strict=True))


def record(x, W, V, constants):
    """Return float32 spikes and states, and the gradient with respect to W."""
    import torch
    x, W, dspikes = map(torch.tensor, (x, W, constants["dspikes"]))
    W.requires_grad_()
    found = layer(x, W, None if V is None else torch.tensor(V), constants["alpha"],
                  constants["beta"], 1.0, constants["threshold"])
    (dspikes * found["spikes"]).sum().backward()
    return {name: row.detach().numpy() for name, row in found.items()} | {
        "dW": W.grad.numpy()}


def results(vectors):
    """Return recordings and gradients in float64."""
    import torch
    found = {}
    for name in ("lif_forward", "bptt", "bptt_detached", "rnn", "lstm"):
        p = {key: torch.tensor(value, dtype=torch.float64)
             for key, value in vectors[name].inputs.items()}
        given = {key: p[key].requires_grad_() for key in ("x", "W", "V", "b")
                 if key in p}
        if name in ("rnn", "lstm"):
            own = dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"), (
                p["W"], p["V"], p.get("b")), strict=True))
            n = p["V"].shape[1]
            cell = getattr(torch.nn, name.upper())(
                p["x"].shape[2], n, bias="b" in p, dtype=torch.float64)
            if "b" in p:
                own["bias_hh_l0"] = torch.zeros(len(p["b"]), dtype=torch.float64)
            rows = torch.func.functional_call(
                cell, {key: a for key, a in own.items() if a is not None},
                (p["x"] * p.get("x_mask", 1),))[0]
            answers, seen = {"h": rows}, rows
        else:
            answers = layer(p["x"], p["W"], p["V"], *(
                p[key] for key in ("alpha", "beta", "gain", "threshold")),
                p.get("steepness", 2.0), through=name != "bptt_detached")
            seen = answers["spikes"]
        if name != "lif_forward":
            answers.pop("syn", None)
            loss = ((seen - p["target"]) ** 2).sum() / (2 * len(seen[0]))
            slopes = torch.autograd.grad(loss, list(given.values()))
            answers |= {"loss": loss} | {f"d{key}": slope for key, slope in zip(
                given, slopes, strict=True)}
        found |= {f"{name}.{key}": a.detach().numpy() for key, a in answers.items()}
    return found | others(vectors)


def others(vectors):
    """Return a tangent kernel, the steps of Adam and a maximum over time."""
    import torch
    p = {key: torch.tensor(a) for key, a in vectors["ntk_full"].inputs.items()}
    x = p.pop("x")

    def net(p):
        h = torch.relu(x @ p["W0"].T + p["b0"])
        return torch.relu(h @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"]

    jac = torch.cat([a.flatten(2) for a in torch.func.jacrev(net)(p).values()], 2)
    found = {"ntk_full.kernel": torch.einsum("nkp,mqp->nmkq", jac, jac)}
    p = vectors["optimisers"].inputs
    theta = torch.zeros(p["gradients"].shape[1], dtype=torch.float64)
    adam, path = torch.optim.Adam([theta], lr=p["rate"], eps=p["eps"], betas=(
        p["beta1"], p["beta2"])), [theta.clone()]
    for theta.grad in torch.tensor(p["gradients"]):
        adam.step()
        path.append(theta.clone())
    found["optimisers.adam"] = torch.stack(path).diff(dim=0)
    p = vectors["max_over_time"].inputs
    rows = torch.tensor(p["record"], requires_grad=True)
    loss = torch.nn.functional.cross_entropy(rows.max(dim=0).values,
                                             torch.tensor(p["labels"]))
    found |= {"max_over_time.loss": loss.detach(),
              "max_over_time.drecord": torch.autograd.grad(loss, rows)[0]}
    return {key: a.numpy() for key, a in found.items()}


FAULTS = (
    {"fault": "`gradcheck` fails at the kink of a ReLU, where it compares a difference "
              "quotient across the kink with a derivative from one side.",
     "place": "pytorch/pytorch#114234",
     "line": """\
import torch
zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
torch.autograd.gradcheck(torch.relu, zero)""",
     "shows": "torch.autograd.gradcheck.GradcheckError",
     "right": "a warning that the input is at a kink"},)
