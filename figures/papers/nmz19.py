"""List results of [NMZ19] and its tutorials.  Topic: surrogate gradients.

Neftci, Mostafa and Zenke, 2019, arXiv 1901.09948.  The authors of refsnn have read the
equations and figures of the paper.  The authors of refsnn have also read the SpyTorch
tutorials, which accompany the paper.  Each number from a tutorial is the result of a
single run.  According to [NMZ19], the memory of real-time recurrent learning grows as
n^3 with the number n of neurons.  The statement of [NMZ19] about the memory of
real-time recurrent learning is marked "second-hand".  The authors of refsnn have read
the statement about memory only in a translation of [NMZ19].
"""

from figures.papers import Experiment, Row

ROWS = (
    Row("figs. 1 and 2", "A LIF neuron, and the unrolled graph of a network (drawings)",
        reason="drawings without numbers"),
    Row("fig. 3", "Shapes of surrogate derivatives",
        reason="drawn by `surrogates`; no number is published"),
    Row("fig. 4", "The true loss is a step function, and its derivative is 0 almost "
        "everywhere; the surrogate derivative is not",
        ("surrogates.true-zero", "surrogates.surrogate-nonzero")),
    Row("fig. 5", "Four kinds of feedback to hidden layers (drawing)",
        reason="compared by `feedback`; no number is published"),
    Row("fig. 6", "DVS Gesture, local errors: error of 5.82 % (others: 5.51 % and "
        "6.36 %)", reason="the data are not at hand"),
    Row("fig. 7", "A network of 2-4-2 neurons classifies the four patterns of temporal "
        "XOR", ("xor.best-surrogate", "xor.best-exact")),
    Row("text", "The memory of real-time recurrent learning grows as n^3",
        ("ladder.memory-rtrl",)),
    Row("tutorial 1", "Random patterns, true gradient: accuracy 0.512",
        ("patterns.true",)),
    Row("tutorial 1", "Random patterns, surrogate gradient: accuracy 0.859",
        ("patterns.surrogate",)),
    Row("tutorial 2", "Fashion-MNIST: test accuracy 0.863", ("digits.fashion-test",)),
    Row("tutorial 2", "Fashion-MNIST: training accuracy 0.912",
        ("digits.fashion-training",)),
    Row("tutorial 2", "Fashion-MNIST: training loss 0.254", ("digits.fashion-loss",)),
    Row("tutorial 3", "Fashion-MNIST with a penalty on spikes: training and test "
        "accuracy 0.848 and 0.827", ("digits.fewer-training", "digits.fewer-test")),
    Row("tutorial 4", "SHD: test accuracy 0.692", ("spoken_classifiers.tutorial",)),
    Row("tutorial 4", "SHD: training accuracy 0.982",
        ("spoken_classifiers.tutorial-training",)),
    Row("tutorial 5", "Braille letters: training and test accuracy 0.994 and 0.967",
        reason="no figure; `figures/online/braille_tutorial.py` reaches training "
        "accuracies of 0.995 and 0.996 and test accuracies of 0.993 and 0.989 with two "
        "seeds, which are not compared because readout, encoder and split differ"),
    Row("tutorials on local errors", "Losses of 3.69, 3.96, 5.39 and 34.8; MNIST: "
        "training errors of 8.3 % and 1.7 %", reason="not attempted yet"))

SETTINGS = (
    Experiment("patterns", "Tutorial 1: random patterns", (
        ("network", "100-4-2", "same"),
        ("patterns", "256, Poisson spikes of 5 Hz, 200 steps of 1 ms",
         "same, drawn anew"),
        ("optimiser", "Adam, 2e-3", "same"),
        ("batch; epochs", "256; 1,000", "same"),
        ("runs", "1", "20"))),
    Experiment("digits", "Tutorial 2: Fashion-MNIST", (
        ("network", "784-100-10", "same"),
        ("input", "latency code, time constant 20 ms, 100 steps of 1 ms", "same"),
        ("optimiser", "Adam, 2e-4", "same"),
        ("batch; epochs", "256; 30", "same"),
        ("steepness of the surrogate derivative", "100", "same"),
        ("training accuracy", "after the last epoch", "before each update"),
        ("runs", "1", "5"))),
    Experiment("digits", "Tutorial 3: Fashion-MNIST, fewer spikes", (
        ("network, input, batch, epochs", "as in tutorial 2", "same"),
        ("initial weights", "0.2 / sqrt(fan-in)", "same"),
        ("optimiser", "Adamax, 2e-4", "same"),
        ("penalties", "1e-5", "same"),
        ("runs", "1", "5"))),
    Experiment("spoken_classifiers", "Tutorial 4: SHD", (
        ("data", "SHD, 2,048 test words", "SHD regenerated, 2,264 test words"),
        ("network", "700-200-20, recurrent", "same"),
        ("time", "100 steps of 14.14 ms", "steps of 14 ms"),
        ("time constants", "71 ms (synapse) and 141 ms (membrane)", "70 and 140 ms"),
        ("optimiser", "Adamax, 2e-4", "same"),
        ("batch; epochs", "256, the last one dropped if incomplete; 200",
         "256, all words; 200"),
        ("penalties", "2e-6", "same"),
        ("runs", "1", "5"))),
    Experiment("xor", "Temporal XOR (fig. 7)", (
        ("network", "2-4-2", "same"),
        ("methods", "one", "surrogate gradient; spike-time gradient"),
        ("runs", "1", "100"))))
