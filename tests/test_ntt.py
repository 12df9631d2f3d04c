"""Neural Tangent Transfer: loss, exact gradient and masks."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from strategies import SEEDS
from tolerances import RTOL

from refsnn import convnet, mlp, ntk, ntt, optimisers, pruning

KINDS = ("at_masked", "through_mask")
FD = 1e-8           # of the gradient, against central differences
STEP = 1e-5


def perceptron(activation="relu"):
    functions = [functools.partial(f, activation=activation)
                 for f in (mlp.forward, mlp.signals, mlp.second_order)]
    return ntt.Model(*functions, ntk.kernel, ntk.adjoint)


def convolutional(pools):
    functions = [functools.partial(f, pools=pools)
                 for f in (convnet.forward, convnet.signals, convnet.second_order)]
    return ntt.Model(*functions, ntk.kernel, ntk.adjoint)


def drawn(rng, shapes, scale=1.0):
    """Draw weights scaled by their fan-in, and biases of similar size."""
    weights = [scale * rng.standard_normal(s) / np.sqrt(np.prod(s[1:])) for s in shapes]
    return weights, [0.3 * rng.standard_normal(s[0]) for s in shapes]


def masks(rng, weights, density):
    """Draw masks with at least one live weight in each row."""
    found = [(rng.random(W.shape) < density).astype(W.dtype) for W in weights]
    for M in found:
        M.reshape(len(M), -1)[:, 0] = 1
    return found


def case(name, seed):
    """Return (model, student, x, goal); student and teacher share no weight."""
    rng = np.random.default_rng(seed)
    if name.startswith("conv"):
        model = convolutional((True, False))
        shapes = [(3, 3, 3, 2), (4, 2, 2, 3), (5, 4), (3, 5)]
        x = rng.standard_normal((5, 7, 7, 2))
    else:
        model, shapes = perceptron(name), [(7, 6), (6, 7), (4, 6)]
        x = rng.standard_normal((6, 6))
    goal = ntt.target(model, *drawn(rng, shapes), x)
    weights, biases = drawn(rng, shapes, 1.3)
    return model, ntt.Student(weights, biases, masks(rng, weights, 0.5)), x, goal


def gates(model, student, x):
    """Return all gates, which must not change between two evaluations."""
    live = [W * M for W, M in zip(student.weights, student.masks, strict=True)]
    recording = model.forward(live, student.biases, x)
    return [z > 0 for z in recording.pre[:-1]], [
        np.abs(np.sign(g)) for g in model.signals(live, recording)]


def differences(model, student, x, goal, options, rng):
    """Yield (analytic, numeric) derivatives along random directions."""
    found = ntt.gradient(model, student, x, goal, **options)
    for _ in range(4):
        directions = [[rng.standard_normal(a.shape) for a in arrays]
                      for arrays in student[:2]]
        values, seen = [], []
        for sign in (1, -1):
            moved = ntt.Student(*([a + sign * STEP * d for a, d in
                                   zip(arrays, ds, strict=True)] for arrays, ds in
                                  zip(student[:2], directions, strict=True)),
                                student.masks)
            values.append(ntt.gradient(model, moved, x, goal, **options).loss.total)
            seen.append(gates(model, moved, x))
        for one, other in zip(*seen, strict=True):
            for a, b in zip(one, other, strict=True):
                assert (a == b).all(), "a gate or the winner of a pool flipped"
        analytic = sum(np.vdot(g, d) for grads, ds in
                       zip(found[1:], directions, strict=True)
                       for g, d in zip(grads, ds, strict=True))
        yield analytic, (values[0] - values[1]) / (2 * STEP)


@proves("ntt", 4, 5, 6)
@pytest.mark.parametrize("terms", ["all", "kernel", "outputs", "l2"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["relu", "tanh", "conv"])
def test_gradient_by_differences(name, kind, terms):
    rng = np.random.default_rng(5)
    model, student, x, goal = case(name, 3)
    options = {"kind": kind, "density": 0.5, "strength": 0.05 if terms != "outputs"
               else 0.0, "l2": 0.01 if terms in ("all", "l2") else 0.0}
    if terms in ("kernel", "l2"):       # targets equal the outputs
        live = [W * M for W, M in zip(student.weights, student.masks, strict=True)]
        goal = goal._replace(outputs=model.forward(live, student.biases, x).outputs)
    if terms == "l2":
        options["strength"] = 0.0
    if terms == "kernel":               # df vanishes at the base point only
        options["strength"] = 50.0
    pairs = np.array(list(differences(model, student, x, goal, options, rng)))
    assert np.abs(pairs[:, 0]).min() > 1e-4
    np.testing.assert_array_less(np.abs(pairs[:, 0] - pairs[:, 1]),
                                 FD * np.abs(pairs[:, 0]).max())


@pytest.mark.parametrize("fault", ["mask", "l2", "outputs", "kernel", "transposed"])
def test_wrong_gradients_are_rejected(fault):
    model, student, x, goal = case("tanh", 3)
    options = {"kind": "at_masked", "density": 0.5, "strength": 0.05, "l2": 0.01}

    def adjoint(left, right, dkernel, **rest):
        if fault == "transposed":
            dkernel = dkernel.swapaxes(2, 3)
        if fault == "kernel":
            dkernel = 1.001 * dkernel
        return ntk.adjoint(left, right, dkernel, **rest)

    def second_order(weights, recording, signals, da, dg, df):
        found = model.second_order(weights, recording, signals, da, dg,
                                   1.001 * df if fault == "outputs" else df)
        scale = {"mask": 1.001, "l2": 1.0}.get(fault, 1.0)
        extra = 1e-4 if fault == "l2" else 0.0
        return mlp.Gradient([scale * dW + extra * W for dW, W in
                             zip(found.weights, weights, strict=True)], found.biases)

    spoilt = model._replace(adjoint=adjoint, second_order=second_order)
    pairs = np.array(list(differences(spoilt, student, x, goal, options,
                                      np.random.default_rng(5))))
    assert (np.abs(pairs[:, 0] - pairs[:, 1]) > FD * np.abs(pairs[:, 0]).max()).any()


@pytest.mark.parametrize("name", ["relu", "tanh", "conv"])
def test_kinds_differ_and_pruned_weights_have_no_gradient(name):
    model, student, x, goal = case(name, 3)
    found = [ntt.gradient(model, student, x, goal, density=0.5, strength=0.05,
                          kind=kind) for kind in KINDS]
    assert abs(found[0].loss.kernel / found[1].loss.kernel - 1) > 1e-3
    assert found[0].loss.outputs == found[1].loss.outputs
    for one in found:
        for dW, M in zip(one.weights, student.masks, strict=True):
            assert (dW[M == 0] == 0).all() and (dW[M == 1] != 0).any()
            assert (M == 0).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["relu", "tanh", "conv"])
def test_the_gradient_vanishes_at_the_teacher(name, kind):
    model, student, x, _ = case(name, 3)
    ones = [np.ones_like(W) for W in student.weights]
    goal = ntt.target(model, student.weights, student.biases, x)
    assert np.abs(goal.kernel).mean() > 0.1
    found = ntt.gradient(model, student._replace(masks=ones), x, goal, density=1.0,
                         l2=0.0, kind="at_masked")
    assert found.loss.total == 0
    assert all((g == 0).all() for grads in found[1:] for g in grads)
    found = ntt.gradient(model, student._replace(masks=ones), x, goal, density=1.0,
                         l2=0.0, kind=kind)
    assert max(np.abs(g).max() for grads in found[1:] for g in grads) < RTOL


@proves("ntt", 1, 2, 3)
@given(SEEDS, st.integers(2, 7), st.integers(1, 4))
def test_loss_is_its_three_sums(seed, B, K):
    rng = np.random.default_rng(seed)
    model = perceptron()
    weights, biases = drawn(rng, [(5, 3), (K, 5)])
    student = ntt.Student(*drawn(rng, [(5, 3), (K, 5)]), masks(rng, weights, 0.5))
    x = rng.standard_normal((B, 3))
    goal = ntt.target(model, weights, biases, x)
    live = [W * M for W, M in zip(student.weights, student.masks, strict=True)]
    record = mlp.forward(live, student.biases, x)
    jac = mlp.jacobian(record, mlp.signals(live, record))
    kernel = np.einsum("nkp,mqp->nmkq", jac[:B // 2], jac[B // 2:])
    teacher = mlp.forward(weights, biases, x)
    jac = mlp.jacobian(teacher, mlp.signals(weights, teacher))
    np.testing.assert_allclose(
        goal.kernel, np.einsum("nkp,mqp->nmkq", jac[:B // 2], jac[B // 2:]), rtol=RTOL,
        atol=1e-12)
    loss = ntt.gradient(model, student, x, goal, density=0.4, strength=0.2, l2=0.3).loss
    expected = [np.mean((kernel - goal.kernel) ** 2),
                np.mean((record.outputs - teacher.outputs) ** 2),
                sum((W ** 2).sum() for W in live)]
    np.testing.assert_allclose(loss[1:], expected, rtol=RTOL)
    np.testing.assert_allclose(
        loss.total, 0.2 * expected[0] + expected[1] + 0.3 / 0.4 * expected[2],
        rtol=RTOL)


@pytest.mark.parametrize("strength, kernel, outputs, l2, l2_sum, total", [
    (1e-3, 6439.033, 1.022, 1e-4, 82.942, 7.737),
    (1e-3, 3674.961, 0.732, 1e-4, 83.634, 4.686),
    (1e-3, 536.968, 0.095, 1e-4, 34.456, 0.747),        # the last of all
    (1e-3, 66.964, 0.017, 1e-5, 65.951, 0.105)])        # convolutional
def test_factors_are_those_of_the_authors_logs(strength, kernel, outputs, l2, l2_sum,
                                               total):
    """A mock model returns the three logged terms; the total must match."""
    density = 0.03
    model = ntt.Model(
        lambda W, b, x: mlp.Recording([x], [x], x * 0 + np.sqrt(outputs)),
        lambda W, r: [np.ones((len(r.outputs), 1, 1))],
        lambda W, r, g, da, dg, df: ([np.zeros_like(w) for w in W], []),
        lambda left, right, **_: np.full((1, 1, 1, 1), np.sqrt(kernel)),
        lambda left, right, D, **_: (left, right))
    student = ntt.Student([np.array([[np.sqrt(l2_sum)]])], [], [np.ones((1, 1))])
    goal = ntt.Target(np.zeros((2, 1)), np.zeros((1, 1, 1, 1)))
    found = ntt.gradient(model, student, np.ones((2, 1)), goal, density=density,
                         strength=strength, l2=l2)
    assert abs(found.loss.total - total) < 1.1e-3       # total and outputs are rounded


def run(kind="at_masked", steps=25, every=5, density=0.3, watch=None, seed=1,
        strength=0.05):
    rng = np.random.default_rng(seed)
    weights, biases = drawn(rng, [(9, 6), (4, 9)])
    batches = list(rng.standard_normal((steps, 6, 6)))
    student = ntt.transfer(
        perceptron(), weights, biases, batches, density=density,
        prune=lambda W: pruning.magnitude(W, density),
        optimiser=functools.partial(optimisers.adam, rate=0.02), every=every,
        strength=strength, kind=kind, watch=watch)
    return weights, biases, student


@pytest.mark.parametrize("kind", KINDS)
def test_masks_keep_their_density_and_pruned_weights_their_value(kind):
    seen = []
    weights, biases, student = run(kind, watch=lambda *now: seen.append(now))
    assert [step for step, _ in seen] == list(range(26))
    counts = {tuple(int(M.sum()) for M in one.masks) for _, one in seen}
    assert counts == {tuple(W.size - int(0.7 * W.size) - 1 for W in weights)}
    changes = [step for (step, one), (_, before) in zip(seen[1:], seen, strict=False)
               if any((a != b).any() for a, b in
                      zip(one.masks, before.masks, strict=True))]
    assert changes and set(changes) <= {6, 11, 16}      # not in the last 5 steps
    never = [np.all([one.masks[i] == 0 for _, one in seen], axis=0) for i in (0, 1)]
    back = [np.any([(one.masks[i] == 1) & (seen[0][1].masks[i] == 0)
                    for _, one in seen], axis=0) for i in (0, 1)]
    assert back[0].any()                                # a pruned weight came back
    for W, now, out, M in zip(weights, student.weights, never, student.masks,
                              strict=True):
        assert out.any() and (W[out] == now[out]).all()
        assert (now[M == 1] != W[M == 1]).mean() > 0.5
    assert (student.biases[-1] != biases[-1]).all()


def test_transfer_approaches_the_teacher():
    """Both distances fall on a batch that was not used for training."""
    rng, model = np.random.default_rng(9), perceptron()
    x, losses = rng.standard_normal((30, 6)), []

    def watch(step, student):
        if step in (0, 200):
            losses.append(ntt.gradient(model, student, x, goal, density=0.3).loss)

    weights, biases = drawn(np.random.default_rng(1), [(9, 6), (4, 9)])
    goal = ntt.target(model, weights, biases, x)
    run(steps=200, watch=watch, strength=1.0)
    assert losses[1].kernel < 0.9 * losses[0].kernel
    assert losses[1].outputs < 0.9 * losses[0].outputs


def test_a_student_may_be_handed_in_and_nothing_is_changed():
    rng = np.random.default_rng(4)
    weights, biases = drawn(rng, [(3, 4), (2, 3)])
    copies = [a.copy() for a in (*weights, *biases)]
    first = masks(rng, weights, 0.4)
    student = ntt.transfer(
        perceptron(), weights, biases, rng.standard_normal((3, 4, 4)), density=0.4,
        prune=None, student=ntt.Student(weights, biases, first),
        optimiser=lambda state, g: (state, -0.01 * g))
    assert student.masks is first
    assert all((a == b).all() for a, b in zip((*weights, *biases), copies, strict=True))
    assert any((a != b).any() for a, b in zip(student.weights, weights, strict=True))


def test_a_transfer_in_two_parts_equals_one():
    """The second part starts from the student of the first, with new masks."""
    rng, kept = np.random.default_rng(4), {}
    weights, biases = drawn(rng, [(9, 6), (4, 9)])
    batches = list(rng.standard_normal((24, 6, 6)))
    run_ = functools.partial(
        ntt.transfer, perceptron(), weights, biases, density=0.4, every=4,
        strength=0.05, optimiser=lambda state, g: (state, -0.01 * g),
        prune=lambda W: pruning.magnitude(W, 0.4))
    whole = run_(batches, watch=kept.__setitem__)
    half = kept[8]._replace(masks=pruning.magnitude(kept[8].weights, 0.4))
    assert any((a != b).any() for a, b in zip(half.weights, weights, strict=True))
    later = run_(batches[8:], student=half)
    for one, other in zip(whole, later, strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))


def transferred(batches, every=100, **options):
    """Run a transfer; return (student, gradients passed to the optimiser, masks)."""
    rng, seen, drawn_masks = np.random.default_rng(6), [], []

    def optimiser(state, gradient):
        seen.append(gradient)
        return state, -0.01 * gradient

    def prune(weights):
        drawn_masks.append(masks(np.random.default_rng(len(drawn_masks)), weights, 0.4))
        return drawn_masks[-1]

    weights, biases = drawn(rng, [(9, 6), (4, 9)])
    return ntt.transfer(perceptron(), weights, biases, batches, density=0.4,
                        prune=prune, optimiser=optimiser, every=every,
                        **options), seen, drawn_masks


@pytest.mark.parametrize("steps, every, at", [
    (12, 3, [3, 6]), (13, 3, [3, 6, 9]), (4, 1, [1, 2]), (3, 3, []), (2, 5, [])])
def test_masks_change_every_so_many_steps_but_the_last(steps, every, at):
    x, seen = np.random.default_rng(7).standard_normal((steps, 4, 6)), []
    student, _, found = transferred(x, every, watch=lambda *now: seen.append(now))
    assert len(found) == 1 + len(at)
    for step, now in seen:
        assert now.masks is found[sum(step > t for t in at)]    # before they are drawn
    assert student.masks is found[-1]


@pytest.mark.parametrize("options", [
    {}, {"kind": "through_mask"}, {"strength": 0.3}, {"l2": 0.2},
    {"kind": "through_mask", "strength": 0.1, "l2": 0.05}], ids=str)
def test_each_step_descends_the_gradient_asked_for(options):
    """Each step applies the optimiser to the parameters of the previous step."""
    x = np.random.default_rng(8).standard_normal((3, 4, 6))
    students = []
    last, seen, _ = transferred(x, watch=lambda _, now: students.append(now), **options)
    teacher = students[0]
    explicit = {"kind": "at_masked", "strength": 1e-3, "l2": 1e-4, **options}
    for i, now in enumerate(students[:3]):
        goal = ntt.target(perceptron(), *teacher[:2], x[i])
        found = ntt.gradient(perceptron(), now, x[i], goal, density=0.4, **explicit)
        again = ntt.gradient(perceptron(), now, x[i], goal, density=0.4, **options)
        assert again.loss == found.loss
        for a, b in zip(seen[4 * i:4 * i + 4], [*found.weights, *found.biases],
                        strict=True):
            assert (a == b).all() and b.any()
        for a, b, g in zip([*students[i + 1].weights, *students[i + 1].biases],
                           [*now.weights, *now.biases], seen[4 * i:4 * i + 4],
                           strict=True):
            assert (a == b - 0.01 * g).all()
    assert students[3] is last


@pytest.mark.parametrize("missing", ["weights", "biases"])
def test_a_model_that_forgets_a_layer_is_refused(missing):
    model, student, x, goal = case("relu", 3)

    def forgetful(*args):
        weights, biases = model.second_order(*args)
        lost = {"weights": (weights[:-1], biases), "biases": (weights, biases[:-1])}
        return lost[missing]

    with pytest.raises(ValueError, match="zip"):
        ntt.transfer(model._replace(second_order=forgetful), student.weights,
                     student.biases, [x], density=0.5, student=student, prune=None,
                     optimiser=lambda state, g: (state, -g))


def largest(weights, rho, scope):
    """Return masks of the weights above the threshold, found by sorting."""
    sizes = [np.abs(W) for W in weights]
    groups = [[W] for W in sizes] if scope == "layer" else [sizes]
    return [(W > (ranked := sorted(np.concatenate([V.ravel() for V in group])))[
        int((1 - rho) * len(ranked))]).astype(float) for group in groups for W in group]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", pruning.SCOPES)
def test_the_loop_by_hand(scope, kind):
    """Adam keeps its state when masks change, also for pruned weights."""
    rng, rho, rate, moved_while_pruned = np.random.default_rng(2), 0.3, 0.02, False
    weights, biases = drawn(rng, [(9, 6), (4, 9)])
    x = rng.standard_normal((30, 6, 6))
    found = ntt.transfer(
        perceptron(), weights, biases, x, density=rho, every=5, strength=0.05,
        prune=lambda W: pruning.magnitude(W, rho, scope=scope), kind=kind,
        optimiser=functools.partial(optimisers.adam, rate=rate))
    theta, M = [*weights, *biases], largest(weights, rho, scope)
    m, v = [0 * a for a in theta], [0 * a for a in theta]
    for t, batch in enumerate(x):
        if t in (5, 10, 15, 20):
            M = largest(theta[:2], rho, scope)
        goal = ntt.target(perceptron(), weights, biases, batch)
        grad = ntt.gradient(perceptron(), ntt.Student(theta[:2], theta[2:], M), batch,
                            goal, density=rho, strength=0.05, kind=kind)
        for i, g in enumerate([*grad.weights, *grad.biases]):
            m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g ** 2
            step = m[i] / (1 - 0.9 ** (t + 1)) / (
                np.sqrt(v[i] / (1 - 0.999 ** (t + 1))) + 1e-8)
            moved_while_pruned |= i < 2 and bool(step[M[i % 2] == 0].any())
            theta[i] = theta[i] - rate * step
    assert moved_while_pruned and any((a != b).any() for a, b in zip(
        M, largest(weights, rho, scope), strict=True))
    for a, b in zip([*found.weights, *found.biases, *found.masks], [*theta, *M],
                    strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def test_masks_change_every_100_steps_by_default():
    x = np.random.default_rng(7).standard_normal((202, 2, 6))
    weights, biases = drawn(np.random.default_rng(6), [(9, 6), (4, 9)])
    steps, counts = [], []

    def prune(weights):
        counts.append(len(steps))
        return masks(np.random.default_rng(1), weights, 0.4)

    ntt.transfer(perceptron(), weights, biases, x, density=0.4, prune=prune,
                 optimiser=lambda state, g: (state, 0 * g),
                 watch=lambda step, _: steps.append(step))
    assert counts == [0, 101]           # watched first: steps 0 to 100


def test_the_model_receives_masks_only_for_through_mask():
    model, student, x, goal = case("relu", 3)
    seen = []

    def kernel(left, right, **options):
        seen.append(options)
        return ntk.kernel(left, right, **options)

    def adjoint(left, right, dkernel, **options):
        seen.append(options)
        return ntk.adjoint(left, right, dkernel, **options)

    for kind in KINDS:
        ntt.gradient(model._replace(kernel=kernel, adjoint=adjoint), student, x, goal,
                     density=0.5, kind=kind)
    used = {"kind": "through_mask", "masks": student.masks}
    assert seen == [{"kind": "at_masked", "masks": None},
                    {"kind": "at_masked", "masks": None, "constant": True},
                    used, {**used, "constant": True}]


def test_float32_is_kept_and_close():
    model, student, x, goal = case("relu", 3)
    exact = ntt.gradient(model, student, x, goal, density=0.5, strength=0.05)
    single = ntt.Student(*([a.astype(np.float32) for a in part] for part in student))
    found = ntt.gradient(
        model, single, x.astype(np.float32),
        ntt.Target(*(a.astype(np.float32) for a in goal)), density=0.5, strength=0.05)
    for one, other in zip((*exact.weights, *exact.biases),
                          (*found.weights, *found.biases), strict=True):
        assert other.dtype == np.float32
        assert np.linalg.norm(other - one) < 1e-4 * np.linalg.norm(one)


STUDENT, GOAL = case("relu", 3)[1], case("relu", 3)[3]


@pytest.mark.parametrize("kind", KINDS)
def test_masks_and_goals_are_cast_to_the_dtype_of_the_weights(kind):
    single, x = [a.astype(np.float32) for a in STUDENT.weights], case("relu", 3)[2]
    options = {"density": 0.5, "kind": kind}
    base = ntt.gradient(perceptron(), ntt.Student(
        single, STUDENT.biases, [M.astype(np.float32) for M in STUDENT.masks]), x,
        ntt.Target(*(a.astype(np.float32) for a in GOAL)), **options)
    for masks in (STUDENT.masks, [M > 0 for M in STUDENT.masks],
                  [M.tolist() for M in STUDENT.masks]):
        found = ntt.gradient(perceptron(), ntt.Student(single, STUDENT.biases, masks),
                             x, GOAL, **options)
        assert found.loss == base.loss
        for a, b in zip([*found.weights, *found.biases], [*base.weights, *base.biases],
                        strict=True):
            assert a.dtype == np.float32 and (a == b).all()


def test_transfer_without_batches_returns_lists_of_its_own():
    weights, biases = mlp.init((3, 4, 2), np.random.default_rng(0))
    model = ntt.Model(mlp.forward, mlp.signals, mlp.second_order, ntk.kernel,
                      ntk.adjoint)
    found = ntt.transfer(model, weights, biases, [], density=0.5,
                         prune=lambda w: pruning.magnitude(w, 0.5),
                         optimiser=optimisers.sgd)
    assert found.weights is not weights and found.biases is not biases
