"""List results of [LZ20].  Topic: Neural Tangent Transfer (NTT), a method of pruning.

Liu and Zenke, 2020, arXiv 2006.08228.  The authors of refsnn have read the abstract,
the published code and the published training logs, but not the text of the paper.
According to the training logs, a perceptron and a convolutional network were trained on
MNIST with 3 % of the weights.  Each network was trained twice.  In the table, the word
"demonstration" refers to the training runs with published logs.
"""

from figures.papers import Experiment, Row

TRANSFER = "Adam 5e-4, batches of 64, 18,720 steps, masks every 100 steps"
LOSS = "kernel 1e-3, L2 1e-4 (perceptron) or 1e-5 (LeNet), divided by the density"
LABELLED = "Adam 1e-3, batches of 64, 42,200 steps on 54,000 images, L2 1e-8"
UNITS = "dense layers: numbers of weights of each unit are kept"
# Ends of claims about images for distances, and of claims about the first steps.
IMAGES = ("-authors", "-held", "")
EARLY = ("ntt-101", "permuted-101", "gain-101", "early", "early-random", "early-gain")

ROWS = (
    Row("abstract", "Networks from NTT are more accurate than other sparse networks",
        ("ntt.mnist-gain-1", "ntt.mnist-gain-2", "ntt.mnist-gain-3", "ntt.mnist-best-3",
         "ntt.fashion-mnist-gain-1", "ntt.fashion-mnist-gain-2",
         "ntt.fashion-mnist-gain-3", "ntt.fashion-mnist-best-3")),
    Row("abstract", "Networks from NTT converge faster with labels",
        ("ntt.mnist-faster-3", "ntt.fashion-mnist-faster-3")),
    Row("demonstration, perceptron", "Kernel distance at the start: 6,439 and 8,147",
        (*(f"ntt_transfer.mlp-start{images}" for images in IMAGES),
         "ntt_teachers.start")),
    Row("demonstration, perceptron", "Kernel distance after 200 steps / at the start: "
        "0.248 and 0.257",
        ("ntt_transfer.mlp-1-soon", "ntt_transfer.mlp-2-soon",
         *(f"ntt_transfer.mlp-soon{images}" for images in IMAGES),
         "ntt_teachers.soon", "ntt_teachers.top-soon")),
    Row("demonstration, perceptron", "Kernel distance after 18,720 steps / at the "
        "start: 0.067 and 0.066",
        ("ntt_transfer.mlp-1-kernel", "ntt_transfer.mlp-2-kernel",
         *(f"ntt_transfer.mlp-kernel{images}" for images in IMAGES),
         "ntt_teachers.end", "ntt_teachers.top-end")),
    Row("demonstration, perceptron", "Output distance, end / start: 0.081",
        tuple(f"ntt_transfer.mlp-outputs{images}" for images in IMAGES)),
    Row("demonstration, perceptron", "Log of the transfers, repeated with the same "
        "dense networks, images and mini-batches",
        ("ntt_replay.weights", *(f"ntt_replay.mlp-{run}-{key}" for run in (1, 2)
                                 for key in ("kernel", "weights", "outputs", "end")))),
    Row("demonstration, perceptron", "Final test accuracy: 0.9642 and 0.9650",
        ("ntt_transfer.mlp-final",)),
    Row("demonstration, perceptron", "Final test accuracy, NTT minus random masks: "
        "0.031", ("ntt_transfer.mlp-gain-permuted", "ntt_transfer.mlp-gain")),
    Row("demonstration, perceptron", "Test accuracy at step 101: 0.752 with NTT, "
        "0.417 with random masks", tuple(f"ntt_transfer.mlp-{key}" for key in EARLY)),
    Row("demonstration, LeNet", "Kernel distance at the start: 634 and 462",
        tuple(f"ntt_transfer.lenet-start{images}" for images in IMAGES)),
    Row("demonstration, LeNet", "Kernel distance, relative to the start: 0.112 "
        "after 200 steps, 0.037 after 18,720 steps",
        tuple(f"ntt_transfer.lenet-{key}{images}" for images in IMAGES
              for key in ("soon", "kernel"))),
    Row("demonstration, LeNet", "Output distance at the end / at the start: 0.055",
        tuple(f"ntt_transfer.lenet-outputs{images}" for images in IMAGES)),
    Row("demonstration, LeNet", "Log of the transfers, repeated with the same dense "
        "networks, images and mini-batches",
        tuple(f"ntt_replay.lenet-{run}-{key}" for run in (1, 2)
              for key in ("kernel", "weights", "outputs", "end"))),
    Row("demonstration, LeNet", "Final test accuracy: 0.983, and 0.016 above random "
        "masks", ("ntt_transfer.lenet-final", "ntt_transfer.lenet-gain-permuted",
                  "ntt_transfer.lenet-gain")),
    Row("demonstration, LeNet", "Test accuracy at step 101: 0.86 with NTT, 0.316 with "
        "random masks", tuple(f"ntt_transfer.lenet-{key}" for key in EARLY)),
    Row("density curves, perceptron", "Accuracy against density on MNIST and "
        "Fashion-MNIST: NTT, random, scaled random, SNIP, logit-SNIP (plots not seen)",
        tuple(f"ntt.{name}-{method}-{scope}-3" for name in ("mnist", "fashion-mnist")
              for method, scope in (("ntt", "layer"), ("random", "layer"),
                                    ("snip", "global"), ("logit-snip", "global")))),
    Row("density curves, LeNet", "Accuracy against density on MNIST (plot not seen)",
        tuple(f"ntt.lenet-{method}-3" for method in (
            "ntt-layer", "random-layer", "snip-global", "logit-snip-global"))),
    Row("density curves, Conv-4", "Accuracy against density on CIFAR-10 (plot not "
        "seen)",
        ("ntt.conv-4-ntt-layer-5", "ntt.conv-4-random-layer-5",
         "ntt.conv-4-snip-global-5")),
    Row("density curves, SVHN", "Accuracy against density (plot not seen)",
        reason="the data set of 240 MB is not at hand"),
    Row("merged data", "One transfer serves two data sets (figure not seen)",
        ("ntt_merged.merged-random",)),
    Row("two classes", "The outputs of the sparse network follow the dense network "
        "(figure not seen)", ("ntt_merged.distance-at-masked",
                              "ntt_merged.distance-through-mask")),
)

SETTINGS = (
    Experiment("ntt_transfer", "Demonstration on MNIST", (
        ("networks", "784-300-100-10; LeNet-5-Caffe", "same"),
        ("initial weights", "truncated Glorot normal; biases, sd 0.01", "same"),
        ("pixels", "standardised by one mean and sd", "same"),
        ("density", "3 %, one threshold per layer", "same"),
        ("transfer", TRANSFER, "same; LeNet 3,000 steps"),
        ("training images of the transfer", "59,880", "60,000; planned: 59,000"),
        ("loss", LOSS, "same"),
        ("tangent kernel", "all weights, at the masked weights", "same"),
        ("distances", "64 of 120 held-out training images", "first 64 test images; "
         "planned: also the same 64, and 1,000 held-out training images"),
        ("training with labels", LABELLED, "same"),
        ("mini-batches with labels", "the same for NTT and random masks",
         "independent; planned: same"),
        ("final accuracy", "mean of the last 10 tests", "same"),
        ("random masks", UNITS, "uniformly random; planned: also as published"),
        ("runs", "2", "5, LeNet 1; planned: 20 transfers, 5 with labels, LeNet 1"))),
    Experiment("ntt_masks", "Masks of the first layer", (
        ("network, density", "784-300-100-10, 3 %", "same"),
        ("transfer", TRANSFER, "same, on 60,000 training images"),
        ("L2 of the transfer", "1e-4, divided by the density", "same, and also 0"),
        ("random masks", UNITS, "as published, and also uniformly random"),
        ("runs", "2", "3"))),
    Experiment("ntt_teachers", "Dependence on the dense network", (
        ("dense networks", "2", "20, and the one with the largest distance"),
        ("distances", "64 of 120 held-out training images", "64 of 120 other images"),
        ("transfer", TRANSFER, "400 steps; 5 networks 18,720 steps"))),
    Experiment("ntt_replay", "Repeated demonstration", (
        ("dense networks, images, mini-batches", "pseudo-random numbers of the code",
         "same"),
        ("transfer", TRANSFER, "same; LeNet 1,100 steps"),
        ("numbers", "float32", "float32 and float64"))),
    Experiment("ntt", "Accuracy against density", (
        ("networks", "784-300-100-10; LeNet-5-Caffe; Conv-4", "same"),
        ("dropout of Conv-4", "keep 0.75 0.75 0.5", "none"),
        ("densities", "unknown", "1 to 20 %; LeNet 3 and 10 %; Conv-4 5 %"),
        ("transfer", TRANSFER, "same; LeNet 3,000 steps; Conv-4 3,000 steps, batches "
         "of 16"),
        ("training with labels", LABELLED, "18,720 steps (LeNet, Conv-4: 5,000) on "
         "60,000 images; mean of the last 5 tests"),
        ("random masks", UNITS, "uniformly random"),
        ("images for SNIP", "first 100 (CIFAR-10: 128)", "100"),
        ("runs", "5", "3 at 1 to 3 %, else 1"))),
    Experiment("ntt_merged", "Two data sets; two classes", (
        ("data", "unknown pairs of data sets", "MNIST and Fashion-MNIST; digits 0, 1"),
        ("density", "unknown", "3 %; 10 %"),
        ("transfer", "unknown", "5,000 steps; 2,000 steps"),
        ("runs", "5", "2"))),
)
