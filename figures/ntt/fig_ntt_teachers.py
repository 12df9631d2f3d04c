"""How well a tangent kernel is transferred depends on the teacher

The left panel shows the kernel distance, divided by its initial value, during Neural
Tangent Transfer (NTT).  Each line stands for one dense network (teacher).  A darker
line means a larger initial kernel distance.  The right panel shows the distance ratio,
which is the kernel distance after 200 steps of NTT divided by its initial value.

NTT trains a sparse network (student) to match the outputs and the tangent kernel of its
teacher.  NTT needs no labels.  The kernel distance is the mean squared difference
between the tangent kernels of student and teacher on 64 held-out images.  The weights
of all teachers are sampled from the same distribution.  By default, the networks have
256-100-50-10 units, 90 % of the weights of each student are pruned, and the images are
the handwritten digits included in refsnn.  The held-out images then differ between
teachers.

With the option --full, the networks have 784-300-100-10 units, and the images are
MNIST.  In each student, 97 % of the weights are pruned.  The students of the first five
teachers are trained for 18,720 steps.  In addition, the student with the largest
initial kernel distance is trained for 18,720 steps.  As in the code of [LZ20],
distances are computed on 64 of 120 held-out images.  All teachers have the same
held-out images.  Stars mark two runs of NTT with perceptrons, from the demonstration
that the authors of [LZ20] published.  The initial kernel distances of the two published
runs are 6,439 and 8,147.  The published runs used other teachers and images.  Other
teachers and images can change the factor by which NTT reduces the kernel distance.  The
figure `ntt_replay` repeats the published runs with the same teachers and images.
"""

import numpy as np
from scipy import stats

from figures.ntt import fig_ntt_transfer
from figures.ntt import ntt_training as training
from figures.run import claims as kinds
from figures.run import colours, published, seeds
from figures.run.claims import Published

FIGURE = "ntt_teachers"
TEACHERS = {"quick": 2, "default": 16, "full": 20}
# Numbers of steps.  In SHORT steps, the masks change at steps 100 and 200.
SOON, SHORT = 200, 400
END, LONG = 18720, 5                    # steps and number of the long transfers
EVERY = 10                              # steps between distances, up to SOON
HELD = 120                              # number of held-out MNIST images
FOLDERS = {"full": ("mnist",)}                        # required in the --data folder
DIFFERS = ("other dense networks; distances on 64 of 120 held-out images that are not "
           "the authors' images")
LIKE = 0.27             # ratio after 200 steps that is near the published ratios
ARRAYS = {
    "soon": ("teacher, step, column", "1", f"step, up to {SOON}, and kernel distance"),
    "long": ("teacher, step, column", "1", "step and kernel distance of the long "
             "transfers; the last teacher has the largest initial distance")}


def jobs(size, seed, data, teachers=None, long=None):
    """Return one job for each teacher."""
    folder = data if size == "full" else None
    long = long or LONG
    usual = SOON if size == "quick" else SHORT
    listed = [(transfer, {"folder": folder, "repeat": repeat, "seed": seed,
                          "steps": END if folder and repeat < long else usual})
              for repeat in range(teachers or TEACHERS[size])]
    return listed + [(largest, {"folder": folder, "seed": seed},
                      *range(len(listed)))] * (size == "full")


def problem(folder, seed, repeat):
    """Return network, training and held-out images, density."""
    if folder is None:
        images = training.digits(seed, repeat)
        return training.perceptron(*fig_ntt_transfer.SIZES), images.x, images.x_test, \
            fig_ntt_transfer.DENSITY
    x = training.stored(folder, "mnist").x
    order = seeds.rng(seed, FIGURE, "order", 0).permutation(len(x))
    return training.perceptron(784, 300, 100, 10), x[order[HELD:]], x[order[:HELD]], \
        fig_ntt_transfer.FULL_DENSITY


def transfer(folder, repeat, seed, steps):
    """Train a student; log (step, kernel distance)."""
    net, x, held, density = problem(folder, seed, repeat)
    teacher = net.init(rng=seeds.rng(seed, FIGURE, "teacher", repeat))
    unseen, log = training.read(net, held[:training.BATCH]), []
    goal = training.ntt.target(net.model, *teacher, unseen)

    def watch(step, now):
        if step == steps or step % (EVERY if step <= SOON else 100) == 0:
            log.append((step, training.ntt.gradient(net.model, now, unseen, goal,
                                                    density=density).loss[1]))

    training.transfer(net, teacher, x, density=density, steps=steps, rate=5e-4,
                      generator=seeds.rng(seed, FIGURE, "batches", repeat), watch=watch)
    return {"log": np.array(log)}


def largest(folder, seed, before):
    """Train one student for `END` steps."""
    repeat = int(np.argmax([result["log"][0, 1] for result in before]))
    return {"largest": transfer(folder, repeat, seed, END)["log"]}


def gather(results):
    """Stack the logs of all teachers."""
    logs, count = [r["log"] for r in results if "log" in r], SOON // EVERY + 1
    ends = [*(log for log in logs if log[-1, 0] == END),
            *(r["largest"] for r in results if "largest" in r)]
    return {"soon": np.array([log[:count] for log in logs]),
            "long": np.array(ends) if ends else np.zeros((0, 0, 2))}


def fallen(log):
    """Return final divided by initial kernel distance."""
    return log[..., -1, 1] / log[..., 0, 1]


def ratio(what):
    """Return the published distance ratio."""
    paper = published.values(FIGURE)
    both = [paper[f"{what} {run}"] / paper[f"start {run}"] for run in (1, 2)]
    return Published(np.mean(both), "[LZ20]", "demonstration, MNIST, perceptron",
                     "read", np.std(both, ddof=1), 2)


def claims(size):
    early, late = (f"distance after {n:,} steps / at the start" for n in (SOON, END))
    top, full = "teacher with the largest kernel distance", size == "full"
    soon, end = ratio("soon"), ratio("end")
    found = [
        kinds.reproduction("soon", f"kernel {early}", soon, tolerance=1.19, log=True,
                           differs=DIFFERS) if full
        else kinds.own("soon", f"kernel {early}", high=0.5, log=True),
        kinds.own("correlation", "rank correlation of the initial kernel distance with "
                  f"the kernel {early}", high=-0.3),
        kinds.shown("start-range", "kernel distance at the start, largest / smallest "
                    "teacher")]
    if not full:
        return found
    starts = [published.values(FIGURE)[f"start {run}"] for run in (1, 2)]
    return found + [
        kinds.shown("soon-smallest", f"kernel {early}, smallest of all teachers"),
        kinds.shown("soon-share", f"fraction of teachers whose kernel {early} is at "
                    f"most {LIKE:g}"),
        kinds.shown("start", "kernel distance at the start", published=Published(
            np.mean(starts), "[LZ20]", "demonstration, MNIST, perceptron", "read",
            np.std(starts, ddof=1), 2), why=fig_ntt_transfer.UNLIKE),
        kinds.reproduction("end", f"kernel {late}", end, tolerance=1.35, log=True,
                           differs=DIFFERS, cause=fig_ntt_transfer.DRAW,
                           cause_run="`ntt_replay`", headline="NTT, 3 % of the "
                           "weights, MNIST: kernel distance after / before transfer"),
        kinds.shown("top-start", f"{top}: distance at the start"),
        kinds.reproduction("top-soon", f"{top}: {early}", soon, tolerance=1.07,
                           log=True, differs=DIFFERS),
        kinds.reproduction("top-end", f"{top}: {late}", end, tolerance=1.35, log=True,
                           differs=DIFFERS)]


def measured(data):
    soon, start = fallen(data["soon"]), data["soon"][:, 0, 1]
    found = {"soon": soon, "correlation": [stats.spearmanr(start, soon).statistic],
             "start-range": [start.max() / start.min()]}
    if not len(data["long"]):
        return found
    end = fallen(data["long"])
    return found | {
        "soon-smallest": [soon.min()], "soon-share": soon <= LIKE, "start": start,
        "end": end[:-1], "top-start": data["long"][-1:, 0, 1],
        "top-soon": soon[[start.argmax()]], "top-end": end[-1:]}


def plot(data, fig):
    fig.set_size_inches(11.5, 4.4)
    course, left = fig.subplots(1, 2, width_ratios=(1.2, 1))
    start = data["soon"][:, 0, 1]
    points = left.scatter(start, fallen(data["soon"]), c=start, cmap="viridis_r", s=55,
                          edgecolors=colours.BLACK, linewidths=0.6)
    for log in (*data["soon"], *data["long"]):
        course.plot(log[1:, 0], log[1:, 1] / log[0, 1], lw=1.4,
                    color=points.to_rgba(log[0, 1]))
    if len(data["long"]):
        paper = published.values(FIGURE)
        for run in (1, 2):
            part = [paper[f"{what} {run}"] / paper[f"start {run}"]
                    for what in ("soon", "end")]
            for axis, x, y in ((course, (SOON, END), part),
                               (left, paper[f"start {run}"], part[0])):
                axis.plot(x, y, "*", ms=12, color=colours.VERMILION,
                          label="" if run > 1 else "published")
        course.set_xscale("log")
        for axis in (course, left):
            axis.legend(loc="upper right")
    fig.colorbar(points, ax=left, label="kernel distance at the start")
    course.set(xlabel="step of transfer", title="Each transfer", ylim=(0, 1),
               ylabel="kernel distance / at the start")
    left.set(xlabel="kernel distance at the start",
             ylabel=f"after {SOON} steps / at the start",
             title=f"Ratio after {SOON} steps")
