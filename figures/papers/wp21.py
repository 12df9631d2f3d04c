"""List results of [WP21].  Topic: gradients of spike times.

Wunderlich and Pehle, 2021, arXiv 2009.08378.  The authors of refsnn have read the
equations of the paper, and the code by Wunderlich and Pehle.  The learning curves of
ten seeds are stored with this code.
"""

from figures.papers import Experiment, Row

ROWS = (
    Row("fig. 2", "Yin-yang data: test accuracy 0.981", ("yin_yang.accuracy",)),
    Row("fig. 3", "MNIST in a latency code: test accuracy 0.976",
        ("latency_mnist.accuracy",)))

SETTINGS = (
    Experiment("yin_yang", "Yin-yang data", (
        ("data", "public generator", "own generator, 5,000 training points"),
        ("network", "5-200-3, the first output spike counts", "same"),
        ("input", "10 to 40 ms, and a spike at 20 ms", "same"),
        ("time constants", "20 ms (membrane), 5 ms (current)", "same"),
        ("initial weights", "normal, 1.5 \u00b1 0.78 and 0.93 \u00b1 0.1", "same"),
        ("loss", "cross-entropy, scale 0.5 ms, and a cost of late spikes", "same"),
        ("optimiser", "Adam, 1e-2, times 0.95 every 5 epochs", "same"),
        ("batch; epochs", "256; 300", "same"),
        ("runs", "10", "10"))),
    Experiment("latency_mnist", "MNIST in a latency code", (
        ("network", "784-350-10, the highest potential of a readout counts", "same"),
        ("input", "(1 - pixel/255) 30 ms, if the pixel is above 1", "same"),
        ("jitter of input spikes", "1 ms", "same, in the training"),
        ("initial weights", "normal, 0.065 \u00b1 0.045 and 0.2 \u00b1 0.37", "same"),
        ("silent neurons", "weights increase by 6.9e-5",
         "by 6.9e-5 at each mini-batch without a spike of the neuron"),
        ("optimiser", "Adam, 5e-3, times 0.97 every epoch", "same"),
        ("batch; epochs", "128; 100", "128; 18"),
        ("test images", "5,000 (the others validate)", "10,000"),
        ("runs", "10", "1"))),
)
