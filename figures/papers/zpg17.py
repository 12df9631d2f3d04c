"""List results of [ZPG17].  Topic: synaptic intelligence (SI).

Zenke, Poole and Ganguli, 2017, arXiv 1703.04200.  The authors of refsnn have read the
published code, notebooks and stored results, but not the text of the paper.  The
equations of the section on theory are marked "second-hand", because they were read in
programs of other authors, not in the paper.
"""

from figures.papers import Experiment, Row

ADAM = "Adam 1e-3 (0.9, 0.999)"
KERAS = "Glorot uniform (default of Keras)"

ROWS = (
    Row("section on theory", "w / Delta^2 is half the diagonal entry of a diagonal "
        "Hessian, and half the eigenvalue of a Hessian of rank 1",
        ("si_theory.diagonal", "si_theory.rank-one")),
    Row("section on theory", "Averaged over start points, w is half the diagonal entry "
        "of the Hessian", ("si_theory.starts",)),
    Row("fig. 2", "The surrogate loss follows the loss of the old task (drawing)",
        reason="a drawing without numbers"),
    Row("fig. 3", "Split MNIST, c = 1: accuracy on training images 0.99, on the first "
        "task 1.0", ("si_split.train-with-moments", "si_split.task-1-with")),
    Row("fig. 3", "Split MNIST, c = 0: accuracy on training images 0.86, on the first "
        "task 0.81", ("si_split.train-without-moments", "si_split.task-1-without")),
    Row("fig. 3", "Split MNIST, c = 0: accuracy on tasks 2 to 5 is 0.58, 0.92, 0.99 "
        "and 1.0", tuple(f"si_split.task-{k}-without" for k in range(2, 6))),
    Row("text", "Split MNIST, c = 0: accuracy on the first two tasks falls to chance",
        reason="second-hand; the authors' figures show 0.61 and 0.48 (2017), and 0.81 "
        "and 0.58 (2018)"),
    Row("fig. 4", "Permuted MNIST, c = 0.1: accuracy after 10 tasks 0.9694",
        ("si_permuted.si",)),
    Row("fig. 4", "Permuted MNIST, c = 0: accuracy after 10 tasks 0.5741",
        ("si_permuted.plain",)),
    Row("fig. 4", "Permuted MNIST: accuracy on the first task is 0.9642 with c = 0.1, "
        "and 0.1640 with c = 0", reason="drawn beside ours, not compared in numbers"),
    Row("fig. 4", "Permuted MNIST, c = 0.01 and c = 0.02: accuracy 0.9200 and 0.9391",
        reason="these strengths were not run"),
    Row("fig. 4", "Permuted MNIST: elastic weight consolidation is about as accurate "
        "as SI (recalled)", ("si_permuted.ewc",)),
    Row("fig. 4", "Permuted MNIST: plain training with dropout is far worse than SI",
        reason="run on the included digits only"),
    Row("fig. 5", "SI decorrelates the importances of different tasks (no numbers)",
        reason="no full run of `si_correlation` is stored"),
    Row("fig. 6", "CIFAR-10, then CIFAR-100: c = 0.1 is more accurate than c = 0 after "
        "six tasks, 0.720 and 0.625",
        ("si_transfer.cifar-gain", "si_transfer.cifar-gain-earlier",
         "si_transfer.cifar-end-kept", "si_transfer.cifar-end-plain",
         "si_transfer.gain", "si_transfer.gain-earlier", "si_transfer.end-kept",
         "si_transfer.end-plain")),
    Row("fig. 6", "CIFAR-10, then CIFAR-100: on later tasks, c = 0.1 is more accurate "
        "than separate networks, by 0.015",
        ("si_transfer.cifar-transfer", "si_transfer.cifar-end-separate",
         "si_transfer.transfer", "si_transfer.end-separate")),
    Row("fig. 6", "CIFAR-10, then CIFAR-100, c = 0.01: accuracy 0.735, on later tasks "
        "0.041 more than separate networks",
        ("si_transfer.cifar-end-other", "si_transfer.cifar-transfer-other")),
)

SETTINGS = (
    Experiment("si_split", "Split MNIST", (
        ("network", "784-256-256-10, masked outputs", "same"),
        ("output weights", "0", "same"),
        ("hidden weights", KERAS, "truncated Glorot normal"),
        ("pixels", "/ 255", "same"),
        ("batch; epochs", "64; 10", "same"),
        ("optimiser", f"{ADAM}; carried over (code with Keras 2.2.2, 2018, source of "
         "the numbers); moments reset at each task, step counter kept (code with Keras "
         "2.0.5, 2017)", "moments reset, step counter kept; also reset completely, and "
         "carried over"),
        ("xi; c", "1e-3; 0 and 1", "same"),
        ("images of the accuracies", "training", "same; also test images"),
        ("runs", "10", "10"))),
    Experiment("si_permuted", "Permuted MNIST", (
        ("network", "784-2000-2000-10", "same"),
        ("weights", KERAS, "truncated Glorot normal"),
        ("pixels", "/ 255", "same"),
        ("batch; epochs", "256; 20", "same"),
        ("optimiser", f"{ADAM}, carried over", "same"),
        ("xi; c", "0.1; 0, 0.01, 0.02 and 0.1", "0.1; 0 and 0.1"),
        ("anchor of the first task", "0", "initial weights"),
        ("runs", "1", "2 with SI, 1 of plain training"))),
    Experiment("si_transfer", "CIFAR-10, then CIFAR-100", (
        ("data", "CIFAR-10; 5 times 10 classes of CIFAR-100",
         "same; MNIST, then 5 pairs of classes of Fashion-MNIST, 500 images per class"),
        ("network", "four convolutions of 32, 32, 64, 64, then 512-60",
         "same; Fashion-MNIST: LeNet-5-Caffe; pairs: third without padding"),
        ("dropout", "0.25, 0.25, 0.5", "same; Fashion-MNIST: none"),
        ("hidden weights", KERAS, "truncated Glorot normal"),
        ("output weights", "0", "same"),
        ("batch; epochs", "256; 60", "same; Fashion-MNIST: 256; 5, then 60; pairs: 10"),
        ("optimiser", f"{ADAM}, moments reset at each task, step counter kept",
         "same; Fashion-MNIST and pairs: reset completely"),
        ("xi; c", "1e-3; 0, 0.01 and 0.1", "same; Fashion-MNIST: 0, 0.1 and 1"),
        ("runs", "5", "CIFAR-100: 1 (planned); Fashion-MNIST: 3; pairs: 1"))),
)
