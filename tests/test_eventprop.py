"""Test event-driven layers against closed forms, differences and sensitivities."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from peaks import peaks
from proofs import examples, proves
from scipy.special import lambertw
from strategies import SEEDS
from tolerances import RTOL, RTOL_FD, close

from refsnn import checks, spike_time
from refsnn.eventprop import (backward, first, first_backward, readout,
                              readout_backward, simulate)

NAMES = ["W", "V", "times", "delays", "recurrent_delays", "tau_mem", "tau_syn",
         "threshold", "mem", "syn"]
MOST = 40       # spikes of a neuron
FAR = 1e-5      # a network is accepted if its events keep their order at this distance


def network(seed, kind="delays", taus="different", refractory=0.0, B=2, S=8, m=4, n=3):
    """Return the parameters and constants of a random layer.

    The recurrence has the delay 0 for the kind "at once", and there is no recurrence
    for the kind "forward".
    """
    rng = np.random.default_rng(seed)
    tau_mem = rng.uniform(0.5, 2, n)
    apart = {"equal": 0, "close": 1e-9}.get(taus, rng.uniform(-0.6, 1.5, n))
    drive = rng.choice([1.0, 1.3, 3.0])
    theta = {"W": rng.normal(drive, 1, (n, m)), "V": rng.normal(-0.2, 0.5, (n, n)),
             "times": np.sort(rng.uniform(0, 5, (B, S))),
             "delays": rng.uniform(0.05, 1, (n, m)),
             "recurrent_delays": rng.uniform(0.05, 1, (n, n)),
             "tau_mem": tau_mem, "tau_syn": tau_mem * (1 + apart),
             "threshold": rng.uniform(0.6, 1.2, n),
             "mem": rng.uniform(-0.4, 0.5, (B, n)), "syn": rng.uniform(-0.5, 1, (B, n))}
    dropped = {"delays": [], "at once": ["recurrent_delays", "delays"],
               "forward": ["V", "recurrent_delays"]}[kind]
    theta = {name: theta[name] for name in NAMES if name not in dropped}
    return theta, rng.integers(0, m, (B, S)), {"refractory": refractory, "until": 9.0,
                                               "most": MOST * n}


def run(theta, units, constants):
    theta = dict(theta)
    state, times = (theta.pop("mem"), theta.pop("syn")), theta.pop("times")
    return simulate([*times], [*units], state=state, **theta, **constants)


def flat(grad, names):
    """Return the derivatives in the order of the names."""
    found = {"times": np.array(grad.dtimes), "mem": grad.dstate.mem,
             "syn": grad.dstate.syn} | {
        name: getattr(grad, "d" + name) for name in NAMES if name not in
        ("times", "mem", "syn")}
    return [found[name] for name in names]


def back(dtimes, theta, units, rec):
    return backward(dtimes, [*units], theta["W"], theta.get("V"), rec, **{
        name: theta[name] for name in ("tau_mem", "tau_syn", "threshold")})


def same_order(one, two):
    return all(np.array_equal(a.kinds, b.kinds) and np.array_equal(a.sources, b.sources)
               for a, b in zip(one.log, two.log, strict=True))


def accepted(theta, units, constants, toward):
    """Return a recording, or None if it is silent, or close to a change of order."""
    try:
        rec = run(theta, units, constants)
        moved = [run({name: theta[name] + sign * FAR * d for (name, d) in zip(
            theta, toward, strict=True)}, units, constants) for sign in (1, -1)]
    except ValueError:              # too many spikes
        return None
    alive = all(len(t) for t in rec.times) and rec.slope.min() > 0.02 \
        and rec.margin.min() > 3e-4
    return rec if alive and all(same_order(rec, other) for other in moved) else None


KINDS = st.sampled_from(["forward", "at once", "delays"])
APART = st.sampled_from(["equal", "close", "different"])


def drawn_net(seed, *options):
    theta, units, constants = network(seed, *options)
    rng = np.random.default_rng([seed, 1])
    toward = [rng.normal(size=a.shape) for a in theta.values()]
    return theta, units, constants, toward, rng


@proves("eventprop", 9, 10, 11, 12, 13, 14, 15, 16, 17)
@examples(10)
@given(SEEDS, KINDS, APART, st.sampled_from([0.0, 0.3]))
def test_gradient_by_differences(seed, kind, taus, refractory):
    theta, units, constants, toward, rng = drawn_net(seed, kind, taus, refractory)
    rec = accepted(theta, units, constants, toward)
    assume(rec)
    weights = [rng.uniform(0.5, 2, t.shape) * rng.choice([-1, 1], t.shape)
               for t in rec.times]

    def loss(values):
        moved = run(dict(zip(theta, values, strict=True)), units, constants)
        assert same_order(moved, rec)
        return float(sum((a * b).sum() for a, b in zip(weights, moved.times,
                                                       strict=True)))

    values, grads = [*theta.values()], flat(back(weights, theta, units, rec), theta)
    names, part = [*theta], slice(seed % 2, None, 2)    # half, and all in the slope

    def loss_of_half(some):
        moved = list(values)
        moved[part] = some
        return loss(moved)

    checks.directional(loss_of_half, values[part], grads[part], rng, names=names[part],
                       rtol=RTOL_FD, directions=1, step=4e-6)
    assert checks.taylor_slope(loss, values, grads, toward, start=FAR,
                               halvings=5) >= 1.9


def test_most_random_networks_are_accepted():
    found, counts = [], []
    for seed in range(30):
        options = (("forward", "at once", "delays")[seed % 3],
                   ("equal", "different")[seed % 2], (0.0, 0.3)[seed // 3 % 2])
        theta, units, constants, toward, _ = drawn_net(seed, *options)
        rec = accepted(theta, units, constants, toward)
        found.append(rec is not None)
        if rec:
            counts += [int((own == i).sum()) for own in rec.units for i in range(3)]
    assert np.mean(found) >= 0.8
    assert min(counts) <= 1 and max(counts) >= 8 and np.mean(np.array(counts) > 0) > 0.8


# ---- sensitivities, spike by spike: code of its own

def textbook(s, tau_mem, tau_syn):
    return tau_syn / (tau_mem - tau_syn) * (np.exp(-s / tau_mem) - np.exp(-s / tau_syn))


def potential(t, released, arrivals, weights, tau_mem, tau_syn):
    """Return U at the time t for a neuron that was at 0 at the time `released`."""
    early = np.real(arrivals) < np.real(released)
    current = (weights * np.exp(-(released - arrivals) / tau_syn))[early].sum()
    later = ~early & (np.real(arrivals) < np.real(t))
    return current * textbook(t - released, tau_mem, tau_syn) + (
        weights * textbook(t - arrivals, tau_mem, tau_syn))[later].sum()


def sensitivities(theta, units, rec, b, refractory):
    """Return the Jacobian of the spike times of sample b by W, V, input times, delays
    and time constants, by the implicit function theorem."""
    W, V, inputs, D, R = (theta[name] for name in NAMES[:5])
    n, m, p = len(W), W.shape[1], 0
    start = {}
    for name in ("W", "V", "times", "delays", "recurrent_delays", "tau_mem", "tau_syn",
                 "threshold"):
        start[name] = p
        p += theta[name][b].size if name == "times" else theta[name].size
    known = [(t, j, np.eye(p)[start["times"] + k], False) for k, (t, j) in enumerate(
        zip(inputs[b], units[b], strict=True))]
    released = [(0.0, np.zeros(p))] * n
    rows = []
    for t, i in zip(rec.times[b], rec.units[b], strict=True):
        tau_mem, tau_syn = theta["tau_mem"][i], theta["tau_syn"][i]
        synapses = [(own, j) for _, j, _, own in known]
        w = np.array([(V if own else W)[i, j] for own, j in synapses])
        arrive = np.array([s + (R if own else D)[i, j] for s, j, _, own in known])
        own_size = np.array([n if own else m for own, _ in synapses])
        place = i * own_size + [j for _, j in synapses]
        wplace = place + [start["V" if own else "W"] for own, _ in synapses]
        dplace = place + [start["recurrent_delays" if own else "delays"]
                          for own, _ in synapses]
        point = [t, released[i][0], arrive, w, tau_mem, tau_syn]

        def partial(k, index=None, point=point):
            moved = list(point)
            step = 1e-30j if index is None else 1e-30j * np.eye(len(point[k]))[index]
            moved[k] = moved[k] + step
            return np.imag(potential(*moved)) / 1e-30

        dU = partial(1) * released[i][1]
        for a, (_, _, ds, _) in enumerate(known):
            by_arrival = partial(2, a)
            dU = dU + by_arrival * ds
            dU[dplace[a]] += by_arrival
            dU[wplace[a]] += partial(3, a)
        dU[start["tau_mem"] + i] += partial(4)
        dU[start["tau_syn"] + i] += partial(5)
        dU[start["threshold"] + i] -= 1
        dt = -dU / partial(0)
        rows.append(dt)
        known.append((t, i, dt, True))
        released[i] = t + refractory, dt
    return np.array(rows)


def resting(seed, refractory=0.2):
    """Return an accepted recurrent network with state 0, of one sample."""
    theta, units, constants, toward, rng = drawn_net(seed, "delays", "different",
                                                     refractory, 1, 8, 3, 3)
    theta["mem"], theta["syn"] = (0 * theta[name] for name in ("mem", "syn"))
    rec = accepted(theta, units, constants, toward)
    assume(rec and np.abs(theta["tau_mem"] / theta["tau_syn"] - 1).min() > 1e-2)
    return theta, units, rec, rng


@proves("eventprop", 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
@examples(8)
@given(SEEDS)
def test_adjoint_of_the_sensitivities_of_all_spikes(seed):
    theta, units, rec, rng = resting(seed)
    J = sensitivities(theta, units, rec, 0, 0.2)
    names = [name for name in NAMES if name not in ("mem", "syn")]

    def transposed(dtimes):
        return np.concatenate([a.ravel() for a in flat(
            back([dtimes], theta, units, rec), names)])

    close(transposed(np.ones(len(J))), J.sum(axis=0), 10 * RTOL)
    assert checks.adjoint_gap(lambda a: J @ a, transposed, (J.shape[1],), (len(J),),
                              rng) < RTOL


@proves("eventprop", 1, 2, 3, 4)
@examples(8)
@given(SEEDS)
def test_spikes_solve_the_integrated_equation(seed):
    theta, units, rec, _ = resting(seed)
    W, V, inputs, D, R = (theta[name] for name in NAMES[:5])
    assert not rec.log[0].mem[rec.log[0].held].any() and rec.log[0].held.any()
    for i in range(len(W)):
        t, own = rec.times[0], rec.units[0]
        arrive = np.concatenate([inputs[0] + D[i, units[0]], t + R[i, own]])
        w = np.concatenate([W[i, units[0]], V[i, own]])
        released = 0.0
        for end in [*t[own == i], 9.0]:
            def U(s, i=i, released=released, arrive=arrive, w=w):
                return potential(s, released, arrive, w, theta["tau_mem"][i],
                                 theta["tau_syn"][i])
            between = np.linspace(released, end, 200)[1:-1]
            assert all(U(s) < theta["threshold"][i] for s in between)
            if end < 9:         # U = threshold: both kinds of reset give 0
                assert U(end) == pytest.approx(theta["threshold"][i], rel=RTOL)
            released = end + 0.2


# ---- closed forms

NODES, SHARES = np.polynomial.legendre.leggauss(120)


def integrals(s, tau_mem, tau_syn):
    """Return k(s), dk/dtau_mem and dk/dtau_syn by quadrature."""
    v = s * (1 + NODES) / 2
    f = np.exp(-(s - v) / tau_mem - v / tau_syn) / tau_mem * SHARES * s / 2
    return [f.sum(), (f * ((s - v) / tau_mem ** 2 - 1 / tau_mem)).sum(),
            (f * v / tau_syn ** 2).sum()]


CLOSE = [(1.0, 1.0), (1.0, 1 + 1e-12), (1.0, 1 - 1e-9), (1.0, 1.001), (0.7, 0.9),
         (1.0, 0.4), (0.5, 2.0), (0.1, 1.5), (1.5, 0.1)]


@proves("eventprop", 5, 18, 19, 20, 21, 22)
@pytest.mark.parametrize("tau_mem, tau_syn", CLOSE)
def test_the_kernel_and_its_derivatives_lose_no_digits(tau_mem, tau_syn):
    taus, spike = {"tau_mem": tau_mem, "tau_syn": tau_syn}, ([[0.5]], [np.array([0])])
    one = np.ones((1, 1))
    for s in (0.01, 0.3, 1.0, 4.0):
        wanted = integrals(s, tau_mem, tau_syn)
        U = readout([0.5 + s], *spike, one, **taus)
        grad = readout_backward(one[None], [0.5 + s], *spike, one, **taus)
        found = [U[0, 0, 0], grad.dtau_mem[0], grad.dtau_syn[0]]
        np.testing.assert_allclose(found, wanted, rtol=RTOL, atol=1e-12)
        assert found[0] == pytest.approx(wanted[0], rel=1e-13)
        area = sum(integrals(s * (1 + x) / 2, tau_mem, tau_syn)[0] * share * s / 2
                   for x, share in zip(NODES, SHARES, strict=True))
        found = readout([0.5 + s], *spike, one, **taus, integral=True)
        assert found[0, 0, 0] == pytest.approx(area, rel=RTOL)


def alone(mem, syn, until=50.0, **constants):
    """Return (B, n) times of the first spikes of neurons without input."""
    B, n = mem.shape
    none = [np.zeros(0)] * B, [np.zeros(0, int)] * B
    rec = simulate(*none, np.ones((n, 1)), state=(mem, syn), until=until,
                   refractory=until, **constants)
    return first(rec.times, rec.units, n), rec


@proves("eventprop", 4, 5, 6, 7, 8)
def test_no_crossing_is_missed_and_none_is_invented():
    rng = np.random.default_rng(0)
    B, n = 30, 40
    tau_mem, threshold = rng.uniform(0.2, 3, n), rng.uniform(0.5, 2, n)
    tau_syn = tau_mem * rng.choice([1 + 1e-3, 0.999, 0.3, 0.8, 1.4, 4.0], n)
    mem = threshold * (1 - rng.exponential(1, (B, n)))
    syn = threshold * rng.normal(2, 3, (B, n))
    t, rec = alone(mem, syn, tau_mem=tau_mem, tau_syn=tau_syn, threshold=threshold)
    assert 0.2 < np.isfinite(t).mean() < 0.8

    def U(s):
        return np.exp(-s / tau_mem) * mem + syn * textbook(s, tau_mem, tau_syn)

    s = np.linspace(0, 1, 3000)[:, None, None] * np.where(np.isfinite(t), t, 30)
    assert (U(s)[:-1] < threshold).all()
    fired = np.isfinite(t)
    np.testing.assert_allclose(U(np.where(fired, t, 0))[fired],
                               np.broadcast_to(threshold, (B, n))[fired], rtol=RTOL)
    missed = (threshold - U(s)).min(axis=0)[~fired & (syn > mem)].min()
    assert 0 < rec.margin.min() <= missed < rec.margin.min() + 1e-4


@proves("eventprop", 6, 7, 8)
def test_crossings_in_closed_form():
    syn = np.array([[2.8, 4.0, 9.0, 2.7]])
    t, _ = alone(0 * syn, syn, tau_mem=2.0, tau_syn=2.0)
    wanted = -2 * np.real(lambertw(-1 / syn[0, :3]))
    np.testing.assert_allclose(t, [[*wanted, np.inf]], rtol=RTOL)
    mem, syn = np.array([[0.5, -3.0, 0.0]]), np.array([[3.0, 12.0, 3.99]])
    t, _ = alone(mem, syn, tau_mem=2.0, tau_syn=1.0)
    b = mem + syn
    z = (b + np.sqrt(np.maximum(b ** 2 - 4 * syn, 0))) / (2 * syn)
    np.testing.assert_allclose(t, [[*(-2 * np.log(z[0, :2])), np.inf]], rtol=RTOL)


@proves("eventprop", 6, 7)
def test_a_touch_is_no_spike_and_its_distance_is_reported():
    mem, syn, level = np.zeros((1, 1)), np.ones((1, 1)), math.exp(-1)
    times, slopes = [], []
    for excess in (-1e-15, -1e-6, 1e-8, 1e-6):   # the first touches, but for rounding
        t, rec = alone(mem, syn, tau_mem=1.0, tau_syn=1.0,
                       threshold=level * (1 - excess))
        times.append(t[0, 0])
        slopes.append(rec.slope[0])
        if excess <= 0:
            assert rec.margin[0] == pytest.approx(-level * excess, rel=1e-6)
    assert times[:2] == [np.inf, np.inf] == slopes[:2]
    assert np.allclose((1 - np.array(times[2:])) / np.sqrt([1e-8, 1e-6]), math.sqrt(2),
                       rtol=1e-3)
    assert slopes[3] / slopes[2] == pytest.approx(10, rel=1e-2)


def test_the_margin_is_that_of_the_end_and_of_an_arrival():
    spikes = [[0.0, 0.5]], [np.array([0, 1])]
    options = {"tau_mem": 1.0, "tau_syn": 1.0, "threshold": 2.0}
    U = 2 * 0.5 * math.exp(-0.5)
    for until, second in ((0.5, 0.0), (3.0, -5.0)):
        rec = simulate(*spikes, np.array([[2.0, second]]), until=until, **options)
        assert rec.margin[0] == pytest.approx(2 - U, rel=RTOL)
    rec = simulate(*spikes, np.array([[2.0, 0.0]]), until=3.0, **options)
    assert rec.margin[0] == pytest.approx(2 - 2 * math.exp(-1), rel=RTOL)
    rec = simulate(*spikes, np.array([[2.0, 4.0]]), until=3.0, refractory=3.0,
                   **options)
    assert len(rec.times[0]) == 1 and np.isinf(rec.margin[0])   # U rose to the spike
    spikes = [[0.0, 4.0]], [np.array([0, 1])]
    rec = simulate(*spikes, np.array([[2.0, 0.3]]), until=9.0, **options)
    assert rec.margin[0] == pytest.approx(2 - 2 * math.exp(-1), rel=RTOL)


# ---- order of events

def test_a_neuron_is_reset_before_its_own_current_arrives():
    options = {"tau_mem": 1.0, "tau_syn": 1.0, "until": 3.0}
    one = [[0.0]], [np.array([0])], np.array([[4.0]])
    t0 = simulate(*one, **options).times[0][0]
    for w in (-9.0, 2.0):
        rec = simulate(*one, np.array([[w]]), **options)
        assert rec.times[0][0] == t0
        current = 4 * math.exp(-t0) + w
        following = t0 - np.real(lambertw(-1 / current)) if current > math.e else np.inf
        assert ([*rec.times[0], np.inf][1] == pytest.approx(following, rel=RTOL))


def test_arrivals_come_before_spikes_and_spikes_in_the_order_of_the_neurons():
    options = {"tau_mem": 1.0, "tau_syn": 1.0, "until": 3.0, "refractory": 3.0}
    W, one = np.array([[4.0], [4.0]]), ([[0.0]], [np.array([0])])
    both = simulate(*one, W, **options)
    assert both.units[0].tolist() == [0, 1] and np.ptp(both.times[0]) == 0
    rival = simulate(*one, W, -5.0 * (1 - np.eye(2)), **options)
    assert rival.units[0].tolist() == [0]
    late = simulate(*one, W, -5.0 * (1 - np.eye(2)), **options,
                    recurrent_delays=np.full((2, 2), 1e-9))
    assert late.units[0].tolist() == [0, 1]
    t = float(both.times[0][0])
    stopped = simulate([[0.0, t]], [np.array([0, 1])], np.array([[4.0, -9.0]]),
                       **options)
    assert len(stopped.times[0]) == 0 and stopped.margin[0] < 1e-12
    rec = simulate([[0.0, 0.1, 9.0]], [np.array([0, 0, 0])], W, **options)
    grad = backward([np.ones(2)], [np.array([0, 0, 0])], W, None, rec, tau_mem=1.0,
                    tau_syn=1.0)
    assert grad.dtimes[0][:2].all() and grad.dtimes[0][2] == 0      # after the end


# ---- limits and stacks

@given(SEEDS)
def test_long_membrane_time_constants_lead_to_spike_time(seed):
    rng = np.random.default_rng(seed)
    inputs, W = rng.uniform(0, 2, (1, 5)), rng.uniform(0.2, 2, (3, 5))
    wanted = spike_time.forward(inputs, W, tau=1.0, threshold=1.0)
    assume(np.isfinite(wanted.times).all() and wanted.slope.min() > 0.1)
    order = np.argsort(inputs[0])
    dW, dinputs = spike_time.backward(np.ones((1, 3)), inputs, W, wanted, tau=1.0)
    errors = []
    for tau in (1e3, 1e4):
        constants = {"tau_mem": tau, "tau_syn": 1.0}
        spikes = [inputs[0, order]], [order]
        rec = simulate(*spikes, W * tau, until=40.0, refractory=40.0, **constants)
        found = first(rec.times, rec.units, 3)
        grad = backward(first_backward(np.ones((1, 3)), rec.times, rec.units), [order],
                        W * tau, None, rec, **constants)
        errors.append([np.abs(found - wanted.times).max(),
                       np.abs(grad.dW * tau - dW).max() / np.abs(dW).max(),
                       np.abs(grad.dtimes[0] - dinputs[0, order]).max()])
    falls = -np.diff(np.log10(errors), axis=0)
    assert (falls > 0.9).all() and (falls < 1.1).all() and np.max(errors[1]) < 0.1


@proves("eventprop", 21, 22)
@examples(3)
@given(SEEDS, st.sampled_from(["equal", "different"]))
def test_two_layers_and_a_readout_by_differences(seed, taus):
    theta, units, constants, toward, rng = drawn_net(seed, "delays", taus, 0.0, 1)
    W2, W3 = rng.normal(2.0, 1, (3, 3)), rng.normal(1, 1, (2, 3))
    D3, tau = rng.uniform(0.1, 0.5, (2, 3)), {"tau_mem": 1.1, "tau_syn": 0.6}
    at, targets = np.array([2.3, 5.1]), rng.uniform(1, 5, (1, 3))
    scores, labels = rng.normal(size=(4, 1, 2)), np.array([2])
    rec = accepted(theta, units, constants, toward)
    assume(rec)
    size = {"until": 9.0, "most": 9 * MOST}

    def layers(values):
        one = run({**theta, "W": values[0], "times": values[1]}, units, constants)
        two = simulate(one.times, one.units, values[2], **tau, **size)
        top = two.times, two.units, values[3]
        taus3 = {"tau_mem": values[5], "tau_syn": values[6], "delays": values[4]}
        when = peaks(*top, **taus3, until=9.0)[None]
        return one, two, [(at, False, scores[:2]), ([9.0], True, scores[2:3]),
                          (when, False, scores[3:])], top, taus3

    def losses(two):
        early = first(two.times, two.units, 3)
        pairs = [spike_time.latency(early, targets, late=8.0),
                 spike_time.cross_entropy(early, labels, scale=0.7, late=8.0)]
        return sum(value for value, _ in pairs), sum(d for _, d in pairs)

    values = [theta["W"], theta["times"], W2, W3, D3, np.full(2, 0.9), np.full(2, 1.3)]
    base = layers(values)
    assume(all(len(t) for t in base[1].times) and base[1].slope.min() > 0.02
           and base[1].margin.min() > 3e-4)
    arrivals = base[1].times[0] + D3[:, base[1].units[0]]
    assume(np.abs(base[2][2][0][0, 0][:, None] - arrivals).min() > 1e-3)   # no corner

    def loss(moved):
        one, two, readouts, top, taus3 = layers(moved)
        assert same_order(one, base[0]) and same_order(two, base[1])
        return losses(two)[0] + sum(float((s * readout(
            t, *top, **taus3, integral=whole)).sum()) for t, whole, s in readouts)

    one, two, readouts, top, taus3 = base
    parts = [readout_backward(s, t, *top, **taus3, integral=whole)
             for t, whole, s in readouts]
    dtimes = [sum(d) for d in zip(*(part.dtimes for part in parts), strict=True)]
    dtimes = [a + b for a, b in zip(dtimes, first_backward(
        losses(two)[1], two.times, two.units), strict=True)]
    upper = backward(dtimes, one.units, W2, None, two, **tau)
    lower = back(upper.dtimes, theta, units, one)
    grads = [lower.dW, np.array(lower.dtimes), upper.dW, *(
        sum(getattr(part, name) for part in parts)
        for name in ("dW", "ddelays", "dtau_mem", "dtau_syn"))]
    checks.directional(loss, values, grads, rng, rtol=RTOL_FD, directions=1, step=4e-6,
                       names=["W", "times", "W2", "W3", "D3", "tau_mem", "tau_syn"])


@given(SEEDS)
def test_peaks_are_the_highest_of_a_dense_grid(seed):
    rng = np.random.default_rng(seed)
    times, units = [np.sort(rng.uniform(0, 5, 9))] * 2, [rng.integers(0, 4, 9)] * 2
    options = {"tau_mem": 1.2, "tau_syn": 0.5, "delays": rng.uniform(0, 1, (3, 4))}
    W = rng.normal(0.3, 1, (3, 4))
    when = peaks(times, units, W, until=7.0, **options)
    grid = readout(np.linspace(0, 7, 3001), times, units, W, **options).max(axis=0)
    top = readout(when[None], times, units, W, **options)[0]
    assert (top >= grid).all() and (top <= grid + 5e-3).all() and (when <= 7).all()
    assert not peaks(times, units, -np.abs(W), until=7.0, **options).any()


# ---- first spikes

def test_first_spikes_by_hand():
    times, units = [[0.5, 1.0, 2.0], [3.0]], [np.array([1, 1, 0]), np.array([1])]
    early = first(times, units, 3)
    assert early.tolist() == [[2.0, 0.5, np.inf], [np.inf, 3.0, np.inf]]
    found = first_backward([[0.5, -0.25, 9.0], [9.0, 0, 9.0]], times, units)
    assert [a.tolist() for a in found] == [[-0.25, 0, 0.5], [0]]


def test_excitation_without_end_is_refused():
    one = [[0.0]], [np.array([0])], np.full((2, 1), 3.0), np.full((2, 2), 2.0)
    with pytest.raises(ValueError, match=r"^most is 50: sample 0 has more spikes by "
                       r"the time 1\.\d+, so must be larger, or the weights smaller"):
        simulate(*one, tau_mem=1.0, tau_syn=1.0, until=5.0, most=50)
    calm = simulate(*one[:3], tau_mem=1.0, tau_syn=1.0, until=5.0, most=2)
    assert len(calm.times[0]) == 2
    with pytest.raises(ValueError, match="^most is 1: "):
        simulate(*one[:3], tau_mem=1.0, tau_syn=1.0, until=5.0, most=1)
