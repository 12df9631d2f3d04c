"""List results of [CB22].  Topic: surrogate gradients on the analog chip BrainScaleS-2.

Cramer, Billaudelle and others, 2022, arXiv 2006.07239.  The authors of refsnn have read
the main text and the tables of the paper, but not the supplement.  The numbers in table
1 are means over five seeds.  All results of refsnn are from an emulated chip.
"""

from figures.papers import Experiment, Row

CHIP = "needs the real chip"
TRAINING = "chip_training"

ROWS = (
    Row("abstract", "70,000 patterns per second at less than 300 mW", reason=CHIP),
    Row("figs. 1 and 2", "The chip, the training loop, recorded traces (drawings)",
        reason="drawings without numbers"),
    Row("table 1", "MNIST, chip: test accuracy 0.972", (f"{TRAINING}.mnist-chip",)),
    Row("table 1", "MNIST, software: test accuracy 0.975",
        (f"{TRAINING}.mnist-software",)),
    Row("table 1", "MNIST, ReLU network: test accuracy 0.981",
        (f"{TRAINING}.mnist-relu",)),
    Row("table 1", "MNIST, dropout and rotation, chip: test accuracy 0.976",
        (f"{TRAINING}.mnist-augmented-chip",)),
    Row("table 1", "MNIST, dropout and rotation, software: test accuracy 0.980",
        (f"{TRAINING}.mnist-augmented-software",)),
    Row("table 1", "MNIST, dropout and rotation, ReLU network: test accuracy 0.987",
        (f"{TRAINING}.mnist-augmented-relu",)),
    Row("table 1", "Fashion-MNIST, chip: test accuracy 0.842",
        (f"{TRAINING}.fashion-chip",)),
    Row("table 1", "Fashion-MNIST, software: test accuracy 0.855",
        (f"{TRAINING}.fashion-software",)),
    Row("table 1", "Fashion-MNIST, ReLU network: test accuracy 0.880",
        (f"{TRAINING}.fashion-relu",)),
    Row("table 1", "Training accuracies on MNIST (1.0; 0.973 to 0.990 with dropout and "
        "rotation) and on Fashion-MNIST (0.901 to 0.979)",
        reason="measured by refsnn during training only, and not compared"),
    Row("table 1", "SHD, chip: test accuracy 0.762", ("chip_words.chip",)),
    Row("table 1", "SHD, chip: training accuracy 0.966", ("chip_words.chip-training",)),
    Row("table 1", "SHD, chip, augmented: test accuracy 0.806",
        ("chip_words.augmented",)),
    Row("table 1", "SHD, chip, augmented: training accuracy 0.907",
        ("chip_words.augmented-training",)),
    Row("table 1", "SHD, software: test accuracy 0.712", ("chip_words.software",)),
    Row("table 1", "SHD, software: training accuracy 1.0",
        ("chip_words.software-training",)),
    Row("table 1", "SHD, software, augmented: test accuracy 0.799",
        ("chip_words.software-augmented",)),
    Row("table 1", "SHD, software, augmented: training accuracy 0.909",
        ("chip_words.software-augmented-training",)),
    Row("table 1", "SHD: augmentation raises the test accuracy on the chip by 0.044",
        ("chip_words.gain-augmentation",)),
    Row("table 1 and text", "SHD: the chip is more accurate than software by 0.050",
        ("chip_words.chip-software",)),
    Row("fig. 5 B and text", "SHD, chip, shuffled and fixed recurrent weights: test "
        "accuracy 0.643", ("chip_words.fixed",)),
    Row("fig. 5 B and text", "SHD, chip: trained recurrent weights raise the test "
        "accuracy by 0.119", ("chip_words.gain-recurrence",)),
    Row("table 2, fig. 3 D", "85,000 images per second, 11.8 µs and 2.4 µJ per image",
        reason=CHIP),
    Row("fig. 3 A and B", "Spikes of three images; loss and accuracy during training",
        reason="drawn beside ours; the published curves were not read"),
    Row("fig. 3 C", "The accuracy peaks within 8 µs, and always within 10 µs",
        ("chip_timing.margin", "chip_timing.decided")),
    Row("fig. 3 E", "The accuracy does not fall until about 20 hidden spikes per image",
        ("chip_timing.lost-sparse", "chip_timing.spikes-sparse",
         "regularisation.loss-at-few-spikes")),
    Row("fig. 4 A", "Traces of an uncalibrated and of a calibrated chip (drawing)",
        reason="drawn by `chip_pattern`; no number is published"),
    Row("fig. 4 B", "In the loop, de-calibration of up to 30 % hardly affects the "
        "accuracy, for time constants, thresholds, or both",
        ("chip_calibration.lost-30",)),
    Row("fig. 4 B", "On the calibrated chip, weights from software are less accurate "
        "than training in the loop", ("chip_calibration.gap-0",)),
    Row("fig. 4 B", "With de-calibration, weights from software lose much more "
        "accuracy than training in the loop", ("chip_calibration.gap-30",)),
    Row("fig. 4 C", "15 % of the hidden neurons silenced: the test error rises by 37 %",
        ("chip_calibration.silenced",)),
    Row("fig. 4 C", "15 % of the hidden neurons silenced, dropout of 40 %: the test "
        "error rises by 10 %", ("chip_calibration.silenced-dropout",)),
    Row("fig. 5 A to C", "Response to a word, curves, confusions; 'nine' and 'neun' "
        "are hardest", reason="drawn by `chip_words`; not compared in numbers"),
    Row("fig. 5 D", "Two speakers are 81 % of the test words of SHD",
        ("spoken_data.held-out",)),
    Row("supplement", "Keyword task 'Aloha', 176 hidden neurons (not seen)",
        reason="the data and the table are not at hand"),
)

RULE = "Adam 1.5e-3, factor 0.97 after each epoch; batches of 100"
SHARED = (
    ("images", "16x16; MNIST without the two outer rows and columns", "same"),
    ("spike times", "tau 8 µs, threshold 0.2, 20 bins of 1.7 µs", "same"),
    ("first bin", "earliest spike of the batch", "spike time of a white pixel"),
    ("neurons", "tau 6 µs; software: the reset subtracts the threshold", "same"),
    ("surrogate derivative", "steepness 50", "same"),
    ("weights", "factor 240, -63 to 63; readout min(63 / largest, 250)", "same"),
    ("initial weights", "normal, sd 0.0108", "same"),
    ("class scores", "10 times the maximum over time", "4 times"),
    ("training", RULE, "same"),
    ("penalties", "burst 5e-4; hidden weights 0.1", "same"))

SETTINGS = (
    Experiment("chip_training", "MNIST and Fashion-MNIST", (
        *SHARED, ("epochs", "100", "same"),
        ("augmentation", "rotation by up to 15 degrees; dropout (rate unknown)",
         "same; dropout 40 %"),
        ("runs", "5", "3 on MNIST without augmentation, else 1; planned: 3"))),
    Experiment("chip_timing", "Time and number of spikes", (
        *SHARED, ("epochs", "100", "20"),
        ("strengths of the burst regulariser", "unknown", "0, 0.3 and 1"),
        ("runs", "unknown", "2"))),
    Experiment("chip_calibration", "De-calibrated chips", (
        *SHARED, ("epochs", "100", "20"),
        ("de-calibration", "0 to 50 %: time constants, thresholds, or both",
         "0, 15, 30 and 50 %: both"),
        ("dropout", "40 %", "same"), ("runs", "5", "2"))),
    Experiment("chip_gap", "Increased mismatch or noise", (
        *SHARED, ("epochs", "100", "20"),
        ("de-calibration", "0 to 50 %", "0, 5, 10, 15 and 20 %"),
        ("noise", "of the chip", "of the emulated chip, times 1, 2, 4 and 8"),
        ("runs", "5", "3; same initial weights and order of images"))),
    Experiment("chip_words", "SHD", (
        ("data", "SHD", "SHD regenerated"),
        ("input channels", "70 of 700: the lowest 70 are removed, then every ninth",
         "same"),
        ("network", "70-186-20, recurrent", "same"),
        ("speed", "2,000 times", "same"),
        ("time constants", "unknown", "6 µs"),
        ("class scores", "sum over time", "0.1 times the sum"),
        ("training", "unknown", RULE),
        ("rate regulariser", "strength and bound unknown", "1e-7, 3,000 spikes"),
        ("shift of channels", "normal, sd unknown (20 recalled)", "normal, sd 15"),
        ("epochs", "100", "30"), ("runs", "5", "3"))),
    Experiment("chip_word_settings", "SHD, one setting changed", (
        ("changed setting", "none",
         "noise, reset, weights, potentials, time step or penalties"),
        ("other settings", "as in `chip_words`", "same"),
        ("epochs", "100", "30"),
        ("runs", "5", "3; same initial weights and order of words"))),
)
