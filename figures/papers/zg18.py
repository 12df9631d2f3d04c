"""List results of [ZG18].  Topic: SuperSpike.

Zenke and Ganguli, 2018, arXiv 1705.11146.  The authors of refsnn have read the paper.
The paper shows the loss only in plots.  No numbers were read off these plots.  Settings
that the paper does not state are from the published code
(github.com/fzenke/pub2018superspike).
"""

from figures.papers import Experiment, Row

HIDDEN, XOR, PICTURE = "superspike_hidden", "superspike_xor", "spike_picture"
XOR_RANDOM = tuple(f"{XOR}.solved-{name}"
                   for name in ("random", "unbalanced", "wide", "large"))

ROWS = (
    Row("fig. 1", "The range of usable learning rates is wider with RMSprop and "
        "RMaxProp than with a fixed rate",
        ("superspike_rates.rmsprop-minus-fixed",
         "superspike_rates.rmaxprop-minus-fixed")),
    Row("fig. 2", "The neuron is silent in the first trial",
        ("superspike.first-trial",)),
    Row("fig. 2", "The neurons learn the five target times", ("superspike.hit",)),
    Row("fig. 2", "The target times are learned in about 500 trials (250 s)",
        ("superspike.trials",)),
    Row("fig. 3", "Time course of the variables at one synapse",
        reason="drawn by `superspike`; no number is published"),
    Row("fig. 4", "Four hidden neurons: the network is silent before training",
        (f"{HIDDEN}.first-trial",)),
    Row("fig. 4", "Four hidden neurons: no striking difference between symmetric, "
        "random and uniform feedback",
        (f"{HIDDEN}.hit-random-minus-symmetric",
         f"{HIDDEN}.hit-uniform-minus-symmetric")),
    Row("fig. 4", "Learning fails if all feedback weights are negative",
        (f"{HIDDEN}.negative",)),
    Row("fig. 5", "XOR: all networks with four hidden neurons and random feedback "
        "solve the task", XOR_RANDOM),
    Row("fig. 5", "XOR: networks with symmetric feedback solve the task",
        (f"{XOR}.solved-symmetric",)),
    Row("fig. 5", "XOR: symmetric feedback learns faster than random feedback",
        reason="drawn by `superspike_xor`; the learning rates of the two kinds of "
        "feedback differ there"),
    Row("fig. 5", "XOR: uniform feedback is worse on average",
        (f"{XOR}.random-minus-uniform",)),
    Row("fig. 5", "XOR: not solved without a hidden layer", (f"{XOR}.smallest-none",)),
    Row("fig. 5", "XOR: random feedback with the regulariser (curve, not read)",
        (f"{XOR}.solved-regularised",)),
    Row("fig. 6", "Picture: hidden neurons fire at 10 to 20 Hz", (f"{PICTURE}.rate",)),
    Row("fig. 6", "Picture: interspike intervals are nearly exponentially distributed",
        (f"{PICTURE}.variation",)),
    Row("fig. 7 a", "Picture: the cost is lowest with symmetric feedback, higher "
        "without a hidden layer, still higher with random, and highest with uniform "
        "feedback",
        (f"{PICTURE}.none-over-symmetric", f"{PICTURE}.random-over-none",
         f"{PICTURE}.uniform-over-random")),
    Row("fig. 7 b and c", "Picture: cost against the number of hidden neurons; linear "
        "rule, fixed hidden layer, regulariser (curves, not read)",
        reason="drawn by `spike_picture`, after 40 trials"),
    Row("fig. 7 d to g", "Picture: rasters and histograms of rates",
        reason="drawn by `spike_picture`; no number is published"),
    Row("fig. 8", "Picture: strengths and exponents of the regulariser; with exponent "
        "0, learning is worse, and unstable at a strength near 100",
        reason="drawn by `spike_picture`, at three strengths and 32 hidden neurons "
        "after 20 trials"),
    Row("eq. A.4", "Mean of z^4 for Poisson spikes",
        reason="derived by a test (`test_superspike_signals`); no number is "
        "published"))

NEURON = (
    ("neuron", "rest -60 mV, threshold -50 mV, time constants 10 and 5 ms, refractory "
     "5 ms", "same"),
    ("time step; axonal delay", "0.1 ms; 0.8 ms", "same; learning rule of hidden "
     "layers: 1.6 ms (code: 0 or 0.8 ms)"),
    ("optimiser", "RMaxProp, time constant unknown (code: 30 s)", "as the code"),
    ("learning rate", "10, 5, 1, 0.5 or 0.1 mV, not stated for each figure "
     "(code: 1 or 0.5 mV, / 10 after 400 s)"))
WEIGHTS = "unknown, silent neurons (code: 50 mV / sqrt(fan-in))"


def settings(rate, weights, *more):
    """Return shared settings, followed by `more`."""
    return (*NEURON[:3], (*NEURON[3], rate), ("initial weights", WEIGHTS, weights),
            *more)


SMALL = "20 mV / sqrt(fan-in)"
HIT = ("success", "unknown", "one spike within 5 ms of each target, no other spike")
SETTINGS = (
    Experiment("superspike", "One neuron (fig. 2)", settings(
        "1 mV, / 10 after trial 300", SMALL, HIT,
        ("duration", "800 s", "same"), ("runs", "20", "20"))),
    Experiment(HIDDEN, "Hidden neurons (fig. 4)", settings(
        "1 mV, / 10 after trial 250", SMALL, HIT, ("duration", "unknown", "250 s"),
        ("runs", "unknown", "40"))),
    Experiment(XOR, "XOR (fig. 5)", settings(
        "0.3 mV (hidden), 5 or 10 mV (output), / 10 and / 100",
        "20 mV (hidden), 30 or 100 mV (output) / sqrt(fan-in)",
        ("inputs", "three groups of unknown size, spikes within 10 ms, noise of 4 Hz",
         "34, 33 and 33 inputs; same"),
        ("interval between patterns", "unknown", "50 to 70 ms"),
        ("response window", "until 15 ms after the pattern", "same"),
        ("feedback weights", "normally distributed",
         "signs balanced; also normally distributed"),
        ("bound on weights", "0.1 V", "0.1 V; hidden 3 mV, also 0.1 V"),
        ("regulariser", "rho = 1, a = 4", "1e-3, with e^2"), ("runs", "20", "20"))),
    Experiment(PICTURE, "Picture (figs. 6 to 8)", settings(
        "1 mV, / 10 after 800 s", "50 mV / sqrt(fan-in)",
        ("picture", "100 inputs, 100 outputs, 3.5 s, 1,630 spikes",
         "a picture of this project of the same size"),
        ("hidden neurons", "up to 256", "128; 8 to 256 in 40 trials"),
        ("regulariser", "rho = 1, a = 4, time constant unknown (code: 0.1 s)",
         "as the code"), ("runs", "unknown", "5"))))
