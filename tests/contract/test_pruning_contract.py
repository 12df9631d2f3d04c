"""What the functions of `refsnn.pruning` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import pruning

WEIGHTS = "weights[0] (m, n) float, weights[1] (k) float, rho () in (0, 1]"
ANY = "weights[0] (...) float, weights[1] (...) float, rho () in (0, 1]"
SCOPE = "scope {layer, global}"
FUNCTIONS = [
    contract(pruning.magnitude, f"{ANY}, {SCOPE}"),
    contract(pruning.snip, f"{WEIGHTS}, gradients[0] (m, n), gradients[1] (k), "
             f"{SCOPE}"),
    contract(pruning.grasp, f"{WEIGHTS}, hessian_gradients[0] (m, n), "
             f"hessian_gradients[1] (k), {SCOPE}"),
    contract(pruning.random, f"{ANY}, rng generator, {SCOPE}"),
    contract(pruning.scaled, f"{WEIGHTS}, masks[0] (m, n) in {{0, 1}}, "
             "masks[1] (k) in {0, 1}"),
    contract(pruning.density, "masks[0] (...) in {0, 1}, masks[1] (...) in {0, 1}"),
    contract(pruning.logit_doutputs, "outputs (B, k) float")]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


W, RNG = [np.full((4, 5), 0.5), np.ones(3)], np.random.default_rng(0)
HUGE = [np.full((4, 5), 1e300)]


@pytest.mark.parametrize("call, match", [
    (lambda: pruning.magnitude(W[0], 0.5), "^weights is of type ndarray: must be one"),
    (lambda: pruning.magnitude([], 0.5), "^weights has the shapes .*: must have at"),
    (lambda: pruning.random([], 0.5, RNG), "^weights has the shapes .*: must have a"),
    (lambda: pruning.magnitude([W[0], W[1][:0]], 0.5), "^weights .*no empty"),
    (lambda: pruning.snip(W, W[:1], 0.5), "^gradients has the shapes .*: must be eq"),
    (lambda: pruning.snip(W, W[::-1], 0.5), r"^gradients .* weights has \[\(4, 5\)"),
    (lambda: pruning.snip(W, None, 0.5), "^gradients is None: must be one of list"),
    (lambda: pruning.grasp(W, W[:1], 0.5), "^hessian_gradients has the shapes"),
    (lambda: pruning.scaled(W, [], 0.5), "^masks has the shapes"),
    (lambda: pruning.density([]), "^masks has no arrays, or"),
    (lambda: pruning.density([W[1], W[1][:0]]), "^masks has no arrays, or"),
    (lambda: pruning.density(W[1]), "^masks is of type ndarray"),
    (lambda: pruning.snip(HUGE, HUGE, 0.5), r"^weights\*gradients\[0\] is inf .*fini"),
    (lambda: pruning.grasp(HUGE, HUGE, 0.5), r"^weights\*hessian_gradients\[0\] is"),
    (lambda: pruning.snip([np.ones(2, "f4")], [[1e60, 1]], 0.5),
     r"^gradients\[0\] overflows in float32")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
