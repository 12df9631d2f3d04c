"""Run a training step in two processes, with half of the batch in each.

A training step of a recurrent layer consists of many short calls.  Two Python
threads would spend a tenth of the time on passing the interpreter lock to
each other.  Two processes avoid this cost.
"""

import contextlib
import multiprocessing

import numpy as np


def _serve(connection, build, part):
    """Serve as a worker process, which runs one training step for each request."""
    import threadpoolctl
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        step = build(part)
        with contextlib.suppress(EOFError):         # the parent process has ended
            while connection.recv():
                connection.send(step())


def halves(problem):
    """Split a problem into two problems that each have one half of the batch."""
    half = problem.x.shape[1] // 2
    return [problem._replace(**{name: np.ascontiguousarray(
        getattr(problem, name)[:, part]) for name in ("x", "dout")})
        for part in (slice(half), slice(half, None))]


def shared(build, problem):
    """Return a function that runs one step on both halves, and sums the gradients.

    The call `build(problem)` returns a function that runs one training step.  The two
    worker processes import `build` by name, so `build` must be defined in a module.
    They end with this process.
    """
    context, ends = multiprocessing.get_context("spawn"), []
    for part in halves(problem):
        end, far = context.Pipe()
        context.Process(target=_serve, args=(far, build, part), daemon=True).start()
        far.close()
        ends.append(end)

    def step():
        for end in ends:
            end.send(True)
        first, second = [end.recv() for end in ends]
        return [a + b for a, b in zip(first, second, strict=True)]

    return step
