"""Exact solutions against an integrator, and time steps against separate loops."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nir_writer import chain, graph, node, write
from proofs import examples, proves
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar
from strategies import SEEDS
from tolerances import RTOL, close

from refsnn import conventions, eventprop
from refsnn.oracle.nir import dynamics, graphs
from refsnn.oracle.nir.dynamics import AXES, DEFAULT

TIGHT = {"rtol": 1e-12, "atol": 1e-14, "method": "DOP853"}


def parameters(kind, rng, n=3):
    """Return random parameters; the first neuron of a Cuba has equal time constants."""
    p = {name: rng.uniform(0.5, 2, n) for name in graphs.FIELDS[kind].split()}
    if "v_leak" in p:
        p["v_leak"] = rng.normal(size=n) / 4
    if "v_reset" in p:
        p["v_reset"] = rng.normal(size=n) / 4 - 0.5
    if "tau_syn" in p:
        p["tau_syn"][0] = p["tau_mem"][0]
    return p


def slopes(p, x):
    """Return the right-hand side of the equations of NIR, for z = (v, I)."""
    def f(t, z):
        v, i = z.reshape(2, -1)
        if "w_in" in p:
            return np.concatenate([(p["v_leak"] - v + p["r"] * i) / p["tau_mem"],
                                   (p["w_in"] * x - i) / p["tau_syn"]])
        dv = (p["v_leak"] - v + p["r"] * x) / p["tau"] if "tau" in p else p["r"] * x
        return np.concatenate([dv, 0 * i])
    return f


@proves("oracle/nir/dynamics", 1, 2, 3, 4, 5, 6)
@pytest.mark.parametrize("kind", graphs.STATES)
@examples(10)
@given(SEEDS)
def test_the_solution_is_that_of_an_integrator(kind, seed):
    rng = np.random.default_rng(seed)
    p, t = parameters(kind, rng), rng.uniform(0.1, 3)
    v, i, x = rng.normal(size=(3, 3))
    i = i if "w_in" in p else 0 * i
    end = solve_ivp(slopes(p, x), (0, t), np.concatenate([v, i]), **TIGHT).y[:, -1]
    close(np.concatenate(dynamics._flow(p, v, i, x, t)), end)


@proves("oracle/nir/dynamics", 7, 8, 9)
@pytest.mark.parametrize("kind", graphs.SPIKING)
@examples(25)
@given(SEEDS)
def test_the_crossing_is_that_of_an_integrator(kind, seed):
    """A fine grid finds the first crossing of the integrator, and bisection refines."""
    rng = np.random.default_rng(seed)
    p = parameters(kind, rng)
    p["v_threshold"] = p["v_threshold"] / 3
    v, (i, x) = p["v_threshold"] - rng.exponential(0.3, 3), rng.normal(size=(2, 3)) * 3
    x = x * rng.integers(2)
    found = dynamics._crossing(p, v, i, x, 4.0)
    run = solve_ivp(slopes(p, x), (0, 4), np.concatenate([v, i]), dense_output=True,
                    **TIGHT).sol
    grid = np.linspace(0, 4, 4001)
    for k in range(3):
        above = run(grid)[k] > p["v_threshold"][k]
        if not above.any():
            top = run(grid)[k].max()
            assert found[k] == np.inf or p["v_threshold"][k] - top < 1e-5
            continue
        low, high = grid[np.argmax(above) - 1:][:2]
        for _ in range(50):
            mid = (low + high) / 2
            low, high = (low, mid) if run(mid)[k] > p["v_threshold"][k] else (mid, high)
        assert found[k] == pytest.approx(high, rel=1e-8)


def test_a_crossing_before_or_after_the_extremum_is_found():
    p = {name: np.array([value]) for name, value in {
        "tau_syn": 1.0, "tau_mem": 2.0, "r": 1.0, "w_in": 1.0, "v_leak": 0.0,
        "v_reset": -1.0, "v_threshold": 0.5}.items()}
    for v, i, x in ((0.0, 4.0, -1.0), (0.4, -3.0, 4.0)):
        t = dynamics._crossing(p, *np.array([[v], [i], [x]]), 9.0)
        assert 0 < t < 9
        close(dynamics._flow(p, v, i, x, t)[0], p["v_threshold"])
        assert dynamics._flow(p, v, i, x, 0.9 * t)[0] < p["v_threshold"]


@proves("oracle/nir/dynamics", 9)
@pytest.mark.parametrize("tau_syn", [0.5, 2.0, 3.0])
def test_a_peak_just_above_the_threshold_is_seen(tau_syn):
    p = {name: np.array([value]) for name, value in {
        "tau_syn": tau_syn, "tau_mem": 2.0, "r": 1.0, "w_in": 1.0, "v_leak": 0.0,
        "v_reset": -1.0, "v_threshold": 0.0}.items()}
    v, i, x = np.array([[0.25], [4.0], [-0.5]])
    peak = -minimize_scalar(lambda t: -dynamics._flow(p, v, i, x, t)[0][0], (0.5, 1.5),
                            tol=1e-12).fun
    for part, seen in (1 - 1e-9, True), (1 + 1e-9, False):
        p["v_threshold"] = np.array([part * peak])
        assert (dynamics._crossing(p, v, i, x, 9.0)[0] < np.inf) == seen


def built(tmp_path, nodes, edges):
    write(tmp_path / "a.nir", graph(nodes, edges))
    return graphs.read(str(tmp_path / "a.nir"))


def single(tmp_path, kind, p, n=3):
    return built(tmp_path, {"x": node("Input", shape=[n]), "z": node(kind, **p)},
                 [("x", "z")])


@proves("oracle/nir/dynamics", 10)
@pytest.mark.parametrize("kind", graphs.STATES)
def test_a_dirac_pulse_is_the_limit_of_short_pulses(kind, tmp_path):
    p = parameters(kind, np.random.default_rng(1))
    p |= {"v_threshold": p["v_threshold"] + 50} if "v_threshold" in p else {}
    found, area = single(tmp_path, kind, p), np.array([1.0, 2.0, -3.0])
    x = {"x": np.array([[area, 0 * area]])}
    exact = dynamics._solve(found, x, 0.5, False)[0]["z"]
    short = 1e-7
    v, i = dynamics._flow(p, np.zeros(3), np.zeros(3), area / short, short)
    v, i = dynamics._flow(p, v, i, np.zeros(3), 0.5 - short)
    close(exact.after[0, 0], v, 1e-5)
    if "w_in" in p:
        close(exact.current[0, 0], i, 1e-5)


@proves("oracle/nir/dynamics", 1, 7, 8, 9)
@pytest.mark.parametrize("kind", graphs.SPIKING)
@examples(5)
@given(SEEDS)
def test_a_network_is_that_of_an_integrator_with_events(kind, seed):
    """Two layers and a delay: after each spike, the integrator starts again."""
    import tempfile
    rng, dt, T = np.random.default_rng(seed), 0.25, 12
    p, q = ({name: a[:1] for name, a in parameters(kind, rng).items()} for _ in "ab")
    for one in (p, q):
        one["v_threshold"] = one["v_threshold"] / 4
    with tempfile.TemporaryDirectory() as folder:
        import pathlib
        found = built(pathlib.Path(folder), {
            "x": node("Input", shape=[1]), "a": node(kind, **p),
            "w": node("Affine", weight=[[3.0]], bias=[0.25]), "b": node(kind, **q),
            "d": node("Delay", delay=[0.4])},
            chain("x", "a", "d", "w", "b"))
    x = rng.uniform(-1, 4, (1, T, 1))
    traces, spikes = dynamics._solve(found, {"x": x}, dt)

    def run(p, drive, breaks):
        """Return spike times and potentials at the ends of rows."""
        z, now, times, rows = np.zeros(2), 0.0, [], []
        for end in sorted({*breaks, *(dt * (k + 1) for k in range(T))}):
            while now < end:
                f = slopes(p, np.array([drive((now + end) / 2)]))

                def over(t, z, p=p):
                    return z[0] - p["v_threshold"][0] - 1e-13
                over.terminal, over.direction = True, 1
                got = solve_ivp(f, (now, end), z, events=over, **TIGHT)
                now, z = got.t[-1], got.y[:, -1]
                if got.status == 1:
                    times.append(now)
                    z = np.array([p["v_reset"][0], z[1]])
            if min(abs(end / dt - k - 1) for k in range(T)) < 1e-9:
                rows.append(z[0])
        return times, rows

    steps = [dt * k for k in range(1, T)]
    times, rows = run(p, lambda t: x[0, int(t / dt), 0], steps)
    close(traces["a"].after[0, :, 0], rows, 1e-8)
    late = np.array(times) + 0.4
    found_b = run(q, lambda t: 0.25 + 3 * ((late <= t) & (t < late + dt)).sum(),
                  [t for t in (*late, *(late + dt)) if 0 < t < T * dt])
    close(traces["b"].after[0, :, 0], found_b[1], 1e-7)
    for name, wanted in ("a", times), ("b", found_b[0]):
        got = np.array([t for t, _ in spikes[name][0]])
        assert len(got) == len(wanted) and np.abs(got - wanted).max(initial=0) < 1e-8


def test_dirac_pulses_drive_a_recurrent_network_as_eventprop_does(tmp_path):
    rng, n, dt = np.random.default_rng(3), 4, 1e-3
    p = {"tau_syn": rng.uniform(4e-3, 8e-3, n), "tau_mem": rng.uniform(5e-3, 2e-2, n),
         "r": np.full(n, 1.5), "v_leak": np.zeros(n), "v_threshold": np.ones(n),
         "w_in": np.full(n, 0.5)}
    W, V = rng.normal(size=(n, 3)) * 0.03 + 0.03, rng.normal(size=(n, n)) * 0.02
    found = built(tmp_path, {
        "x": node("Input", shape=[3]), "W": node("Linear", weight=W),
        "z": node("CubaLIF", **p), "V": node("Linear", weight=V),
        "d": node("Delay", delay=[2e-3] * n)},
        chain("x", "W", "z", "d", "V", "z"))
    x = (rng.random((1, 50, 3)) < 0.15).astype(float)
    traces, spikes = dynamics._solve(found, {"x": x}, dt, pulse=False)
    t, units = np.nonzero(x[0])
    scale = (1.5 * 0.5 / p["tau_syn"])[:, None]
    wanted = eventprop.simulate(
        [t * dt], [units], W * scale, V * scale, tau_mem=p["tau_mem"],
        tau_syn=p["tau_syn"], until=50 * dt, recurrent_delays=np.full((n, n), 2e-3))
    times, neurons = zip(*spikes["z"][0], strict=True)
    assert len(times) > 10 and neurons == tuple(wanted.units[0])
    close(np.array(times), wanted.times[0])
    assert traces["z"].spikes.sum() == len(times)


def looped(kind, p, one, x, dt):
    """Return potentials and spikes of one neuron, in floats, step by step."""
    p = {name: float(a[0]) for name, a in p.items()}
    tau, v, i, s, rows = p.get("tau", p.get("tau_mem")), 0.0, 0.0, 0, []

    def decay(tau):
        return math.exp(-dt / tau) if one.decay == "exact" else 1 - dt / tau

    def gain(choice, tau):
        return {"1": 1.0, "dt/tau": dt / tau, "1 - decay": 1 - decay(tau),
                "decay": decay(tau)}[choice]

    def reset(v, s):
        if one.reset == "subtract":
            return v - s * (p["v_threshold"] - p["v_reset"])
        return p["v_reset"] if s else v

    for now in x:
        old = i
        if "w_in" in p:
            i = decay(p["tau_syn"]) * i \
                + p["w_in"] * gain(one.synapse, p["tau_syn"]) * now
        if tau is None:
            v += p["r"] * now * (1 if one.gain == "1" else dt)
        elif one.order == "joint" and "w_in" in p:
            v, i = (float(a[0]) for a in dynamics._flow(
                {name: np.array([a]) for name, a in p.items()}, v, old, now, dt))
        else:
            push = (i if one.order == "new I" else old) if "w_in" in p else now
            v = decay(tau) * v + (1 - decay(tau)) * p["v_leak"] \
                + gain(one.gain, tau) * p["r"] * push
        if "v_threshold" not in p:
            rows.append((v, v, i, 0))
            continue
        v = reset(v, s) if one.when == "next row" else v
        s, left = 0, v
        while left > p["v_threshold"] or (
                one.tie == "spike" and left == p["v_threshold"]):
            s, left = s + 1, left - (p["v_threshold"] - p["v_reset"])
            if one.spikes == "one":
                break
        before = v
        v = v if one.when == "next row" else reset(v, s)
        rows.append((before, v, i, s))
    return np.array(rows).T


@proves("oracle/nir/dynamics", 1, 2, 3, 4, 5, 6, 11, 12, 13, 14)
@pytest.mark.parametrize("kind", graphs.STATES)
@examples(5)
@given(seed=SEEDS, tie=st.booleans())
def test_steps_are_those_of_a_loop_in_every_convention(kind, seed, tie):
    rng, dt = np.random.default_rng(seed), 0.125
    p = {name: a[:1] for name, a in parameters(kind, rng).items()}
    if tie and "v_threshold" in p:
        p |= {"v_threshold": np.array([0.5]), "v_reset": np.array([0.0])}
    x = rng.integers(-1, 6, (1, 12, 1)) * (0.5 if tie else 1.3)
    nodes = {"x": graphs.NODE("Input", {}, 1), "z": graphs.NODE(kind, p, 1)}
    found = graphs.GRAPH(nodes, {"x": [], "z": ["x"]}, set(), {}, [], "")
    axes, some = dynamics._candidates({kind}, False, False, False)
    assert len(some) == len(set(some)) > 1
    traces = dynamics._replay(found, some, {"x": x}, dt, {}, "z")
    live = 0
    for one, trace in zip(some, traces, strict=True):
        wanted = looped(kind, p, one, x[0, :, 0], dt)
        for a, b in zip(trace, wanted, strict=True):
            assert np.allclose(a[0, :, 0], b, rtol=RTOL, atol=1e-12), one
        live += wanted[3].sum() > 0
    assert live or "v_threshold" not in p or seed % 2 == 0


@proves("oracle/nir/dynamics", 11, 12, 13, 14)
@pytest.mark.parametrize("preset, text, kind, lag", [
    ("nir", "decay=Euler,order=old I", "CubaLIF", 0),
    ("nir_subtract", "decay=Euler,order=old I,reset=subtract", "CubaLIF", 0),
    ("norse", "decay=Euler,synapse=1,order=new I", "CubaLIF", 0),
    ("spyx_lif", "gain=1,reset=subtract,when=next row", "LIF", 1),
    ("sinabs", "synapse=decay,order=new I,reset=subtract,spikes=many,tie=spike",
     "CubaLIF", 0),
    ("snntorch_leaky", "gain=1,reset=subtract,when=next row", "LIF", 0)])
def test_steps_are_those_of_conventions(preset, text, kind, lag):
    """The module `conventions` is tested against the simulators."""
    rng, step, n = np.random.default_rng(0), conventions.PRESETS[preset], 3
    tau_syn, tau_mem = rng.uniform(4, 9, n), rng.uniform(4, 9, n)
    x = rng.integers(0, 4, (40, 1, n)).astype(float) * (1 if "gain=1" in text else 2)
    run = conventions.simulate(step, x, np.eye(n), tau_syn=tau_syn, tau_mem=tau_mem)
    wanted = conventions.recorded(step, run)
    p = {"r": np.ones(n), "v_leak": np.zeros(n), "v_threshold": np.ones(n),
         "v_reset": np.zeros(n)}
    p |= {"tau_syn": tau_syn, "tau_mem": tau_mem, "w_in": np.ones(n)} \
        if kind == "CubaLIF" else {"tau": tau_mem}
    nodes = {"x": graphs.NODE("Input", {}, n), "z": graphs.NODE(kind, p, n)}
    found = graphs.GRAPH(nodes, {"x": [], "z": ["x"]}, set(), {}, [], "")
    trace, = dynamics._replay(found, [dynamics._named(text)],
                              {"x": np.moveaxis(x, 1, 0)}, 1.0, {}, "z")
    spikes = np.roll(trace.spikes[0], lag, axis=0)
    spikes[:lag] = 0
    assert 3 < spikes.sum() and (spikes == wanted["spikes"][:, 0]).all()
    shift = int(preset.startswith("nir"))       # these record the state before the row
    close(trace.after[0][:len(x) - shift], wanted["mem"][shift:, 0]) if not shift \
        else close(trace.before[0], run.mem[1:, 0])


def test_a_loop_carries_earlier_rows(tmp_path):
    """A bias in a loop arrives in the first row or not, by the convention."""
    p = {"tau": [1.0], "r": [1.0], "v_leak": [0.0], "v_threshold": [0.5]}
    found = built(tmp_path, {
        "x": node("Input", shape=[1]), "z": node("LIF", **p),
        "V": node("Affine", weight=[[-0.5]], bias=[0.25])}, chain("x", "z", "V", "z"))
    x = {"x": np.array([[[1.0], [1.0], [0.0], [0.0], [0.0]]])}
    for text, drive in (("1 from 0", [1, 0.75, -0.25, 0.25, 0.25]),
                        ("1 from bias", [1.25, 0.75, -0.25, 0.25, 0.25]),
                        ("2 from 0", [1, 1, -0.25, -0.25, 0.25]),
                        ("2 from bias", [1.25, 1.25, -0.25, -0.25, 0.25])):
        one = dynamics._named(f"gain=1,loop=lag {text}")
        trace, = dynamics._replay(found, [one], x, 1e9, {}, "z")    # no memory: v = x
        assert trace.before.ravel().tolist() == drive, text
    given = {"z": np.array([[[1.0], [0.0], [0.0], [1.0], [0.0]]])}
    one = dynamics._named("gain=1,loop=lag 0")
    trace, = dynamics._replay(found, [one], x, 1e9, given, "z")
    assert trace.before.ravel().tolist() == [0.75, 1.25, 0.25, -0.25, 0.25]


def test_delays_of_steps_are_rows(tmp_path):
    nodes = {"x": node("Input", shape=[2]), "d": node("Delay", delay=[0.0, 0.3]),
             "z": node("I", r=[1.0, 1.0])}
    found = built(tmp_path, nodes, chain("x", "d", "z"))
    x = {"x": np.array([[[1.0, 1.0], [2.0, 3.0], [0, 0], [0, 0], [0, 0]]])}
    trace, = dynamics._replay(found, [dynamics._named("gain=1")], x, 0.1, {}, "z")
    assert trace.after[0].T.tolist() == [[1, 3, 3, 3, 3], [0, 0, 0, 1, 4]]
    exact = dynamics._solve(found, x, 0.1)[0]["z"].after[0]
    close(exact, 0.1 * trace.after[0])
    nodes["d"] = node("Delay", delay=[0.0, 0.0])
    nodes["z"] = node("IF", r=[1.0, 1.0], v_threshold=[9.0, 9.0])
    found = built(tmp_path, nodes, chain("x", "z", "d", "z"))
    with pytest.raises(ValueError, match="d/delay is below dt/2 in a loop"):
        dynamics._replay(found, [DEFAULT], x, 0.1, {}, "z")
    nodes["d"] = node("Delay", delay=[0.1, 0.1])        # one row is long enough
    found = built(tmp_path, nodes, chain("x", "z", "d", "z"))
    assert dynamics._replay(found, [DEFAULT], x, 0.1, {}, "z")[0].after.any()


def test_a_simulation_starts_from_0_or_from_v_leak(tmp_path):
    found = single(tmp_path, "LI", {"tau": [2.0], "r": [1.0], "v_leak": [0.75]}, n=1)
    some = [dynamics._named(text) for text in ("", "start=v_leak")]
    rest, leak = (trace.after.ravel() for trace in dynamics._replay(
        found, some, {"x": np.zeros((1, 9, 1))}, 0.5, {}, "z"))
    close(leak, np.full(9, 0.75))
    close(rest, 0.75 * (1 - np.exp(-0.25 * np.arange(1, 10))))


def test_a_spike_at_the_end_is_in_the_last_row(tmp_path):
    found = single(tmp_path, "IF", {"r": [1.0], "v_threshold": [1.0]}, n=1)
    traces, spikes = dynamics._solve(found, {"x": np.ones((1, 4, 1))}, 0.25)
    assert spikes["z"] == [[(1.0, 0)]]
    assert traces["z"].spikes.ravel().tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("pulse", [True, False])
def test_a_bias_passes_a_delay_as_a_step(tmp_path, pulse):
    found = built(tmp_path, {
        "x": node("Input", shape=[1]), "w": node("Affine", weight=[[1.0]], bias=[2.0]),
        "d": node("Delay", delay=[0.5]), "z": node("I", r=[1.0])},
        chain("x", "w", "d", "z"))
    trace = dynamics._solve(found, {"x": np.zeros((1, 2, 1))}, 1.0, pulse)[0]["z"]
    close(trace.after.ravel(), np.array([1.0, 3.0]))


def test_potentials_that_drive_neurons_are_not_solved(tmp_path):
    found = built(tmp_path, {
        "x": node("Input", shape=[1]),
        "li": node("LI", tau=[1.0], r=[1.0], v_leak=[0.0]),
        "t": node("Threshold", threshold=[0.5]), "z": node("I", r=[1.0])},
        [("x", "li"), ("li", "t"), ("x", "z")])
    x = {"x": np.ones((1, 2, 1))}
    assert set(dynamics._solve(found, x, 1.0)[0]) == {"li", "z"}
    found = built(tmp_path, {
        "x": node("Input", shape=[1]), "t": node("Threshold", threshold=[0.5]),
        "s": node("Scale", scale=[2.0]), "z": node("I", r=[1.0])},
        chain("x", "t", "s", "z"))
    x = {"x": np.array([[[0.4], [0.6], [3.0], [0.0]]])}
    assert dynamics._solve(found, x, 1.0)[0]["z"].after.ravel().tolist() == [0, 2, 4, 4]
    assert dynamics._solve(found, x, 1.0, pulse=False)[0] == {}


def test_endless_spikes_are_refused(tmp_path):
    found, x = single(tmp_path, "IF", {"r": [1.0], "v_threshold": [1 / 1000.5]}, n=1), {
        "x": np.ones((1, 1, 1))}
    assert dynamics._solve(found, x, 1.0)[0]["z"].spikes == 1000
    x["x"] *= 1.001
    with pytest.raises(ValueError, match="z spikes more than 1000 times in a row .* at "
                       r"0\.99.* s: must spike less often"):
        dynamics._solve(found, x, 1.0)


def test_a_convention_has_a_text():
    assert dynamics._named("") == DEFAULT
    for axis, choices in AXES.items():
        for choice in choices:
            assert getattr(dynamics._named(f" {axis}={choice}"), axis) == choice
    for bad in ("decay", "decay=fast", "x=1"):
        with pytest.raises(ValueError, match="must be AXIS=CHOICE, one of"):
            dynamics._named(bad)


@pytest.mark.parametrize("loop, leak, whole",
                         list(itertools.product((False, True), repeat=3)))
def test_no_two_candidates_are_equal(loop, leak, whole):
    axes, some = dynamics._candidates({"CubaLIF"}, loop, leak, whole)
    assert len(set(some)) == len(some) and DEFAULT in some
    assert ("loop" in axes, "start" in axes, "numbers" in axes) == (loop, leak, whole)
