"""List results of [CSSZ20].  Topic: data sets with spikes that encode spoken words.

Cramer, Stradmann, Schemmel and Zenke, 2020, arXiv 1910.07407.  The authors of refsnn
have read the abstract and the description of the data sets, but not the text of the
paper.  Accuracies marked "second-hand" were read in other sources, which quote the
paper.  Accuracies marked "recalled" are from memory, and were not looked up.  Other
authors wrote the program `snn/shd.py`.  The program `snn/shd.py` repeats experiments of
[CSSZ20], and quotes the appendix of [CSSZ20].  For the support vector machines and the
CNN, the accuracies and settings are from `snn/shd.py`.  The program `snn/shd.py` quotes
the published accuracy of the recurrent network with 128 neurons.  The authors of refsnn
did not record the web address of the program `snn/shd.py`.  The accuracy of the
feed-forward network is from "thrindex", a web page that quotes the paper.  The accuracy
of the recurrent network with 1,024 neurons is from public tables of accuracies on this
data set.
"""

from figures.papers import Experiment, Row

NAME, NH = "spoken_classifiers", "spoken_recurrence"
TABLE = "table of SHD"

ROWS = (
    Row("abstract", "The timing of spikes is essential for high accuracy",
        ("spoken_controls.lost-uniform", "spoken_timing.lost-uniform-recurrent",
         "spoken_timing.lost-uniform-lstm", "spoken_timing.lost-uniform-cnn")),
    Row("data files", "8,156 training words and 2,264 test words",
        ("spoken_data.training", "spoken_data.test")),
    Row("description of the data", "12 speakers", ("spoken_data.speakers",)),
    Row("section on conversion", "A model of the inner ear converts sound to spikes "
        "(equations)", reason="no number is published; the figure `sound` draws it, "
        "and tests compare it with the authors' code"),
    Row(TABLE, "SVM on counts, linear: 0.560", (f"{NAME}.svm-linear",)),
    Row(TABLE, "SVM on counts, polynomial of degree 2: 0.483",
        (f"{NAME}.svm-polynomial",)),
    Row(TABLE, "SVM on counts, polynomial of degree 3: 0.467", (f"{NAME}.svm-cubic",)),
    Row(TABLE, "SVM on counts, radial: 0.600", (f"{NAME}.svm-radial",)),
    Row(TABLE, "Feed-forward spiking network, 1 layer: 0.481",
        (f"{NAME}.forward-1", f"{NH}.forward-nh")),
    Row(TABLE, "Feed-forward spiking networks, 2 and 3 layers (numbers unknown)",
        (f"{NAME}.forward-2", f"{NAME}.forward-3")),
    Row(TABLE, "Recurrent spiking network, 128 neurons: 0.714",
        (f"{NAME}.recurrent", f"{NH}.recurrent-nh")),
    Row(TABLE, "The recurrent network is more accurate than the feed-forward one, by "
        "0.233", (f"{NAME}.gain-recurrence", f"{NH}.gain-nh")),
    Row(TABLE, "Recurrent spiking network, 1,024 neurons, augmentation and noise: "
        "0.832", (f"{NAME}.large",)),
    Row(TABLE, "LSTM: 0.890 (recalled)", (f"{NAME}.lstm",)),
    Row(TABLE, "CNN: 0.924", ("spoken_cnn.cnn",)),
    Row("table of SSC", "Spiking Speech Commands: five kinds of classifiers",
        reason="the 2.3 GB of recordings are not at hand"),
    Row("figure", "Loss of the maximum over time is better than of the last step "
        "(recalled)", ("spoken_timing.gain-maximum",)),
    Row("figure", "LSTM: shorter time bins are better (recalled)",
        ("spoken_timing.lost-steps",)),
    Row("figure", "Accuracy by speaker and by digit (recalled)",
        ("spoken_speakers.lstm-known", "spoken_speakers.lstm-held-out")),
    Row("figures", "Accuracy against steepness, time constants and network size "
        "(recalled)", reason="not run"),
    Row("figure", "Training on digits of Speech Commands, test on Heidelberg Digits "
        "(recalled)", reason="the recordings of Speech Commands are not at hand"),
)

OTHERS = ("Spiking networks, settings of NH (the program `neural_heterogeneity` of "
          "other authors)")
SETTINGS = (
    Experiment(NAME, "Spiking networks", (
        ("data", "SHD", "SHD regenerated"),
        ("time step", "0.5 ms", "4 ms; 1,024 neurons: 10 ms"),
        ("duration", "1.0 s, uncertain", "1.366 s"),
        ("time constants of membrane, synapse, readout", "20, 10, 20 ms", "same"),
        ("membrane input", "factor 1 - beta", "factor 1"),
        ("reset", "unknown (subtracts, or multiplies by 1 - S)",
         "to 0, not differentiated"),
        ("surrogate derivative", "steepness 100 (40 recalled)", "steepness 10"),
        ("loss", "cross entropy of the maximum over time", "of the sum over time"),
        ("initial weights", "uniform within 1/sqrt(fan-in)", "normal; factors of "
         "1/sqrt(fan-in): input 0.03, recurrent 0.05, readout 0.02"),
        ("lower penalty", "strength 1, bound 0.01 spikes per step", "none"),
        ("upper penalty", "strength 0.06, bound 100 spikes", "none"),
        ("input noise, deletion", "1.6; 0.0008", "none"),
        ("optimiser", "Adam 1e-3 (Adamax recalled)", "Adam 1e-3, cosine to 0"),
        ("batch; epochs", "unknown; more than 100", "256; 50 (1,024 neurons: 30)"),
        ("layers, recurrence", "1 to 3 of 128; one recurrent of 128 or 1,024", "same"),
        ("augmentation", "unknown, with noise", "channels: sd 20 for each spike and "
         "for each word; times: sd 10 ms"),
        ("runs", "unknown", "3; 1,024 neurons: 2; 2 or 3 layers: 1"))),
    Experiment(NH, OTHERS, (
        ("time step", "0.5 ms", "2 ms"),
        ("duration, loss, initial weights, membrane input, time constants", "as above",
         "same"),
        ("steepness of the surrogate derivative", "100 (40 recalled)", "100"),
        ("reset", "unknown (NH subtracts)", "subtracts, not differentiated"),
        ("lower penalty", "strength 1, bound 0.01 spikes per step, sign unknown",
         "for rates above the bound, as in NH"),
        ("upper penalty", "strength 0.06, bound 100 spikes", "same"),
        ("input noise, deletion", "1.6; 0.0008", "none"),
        ("optimiser", "Adam 1e-3 (Adamax recalled)", "Adam 1e-3, constant"),
        ("batch; epochs", "unknown (NH 64); more than 100", "64; until the training "
         "accuracy gains less than 0.005 in 20 epochs, at most 200"),
        ("runs", "unknown", "3"))),
    Experiment("spoken_cnn", "CNN (published: second-hand)", (
        ("input", "100 bins of 10 ms, 64 groups of channels, counts", "same"),
        ("layers", "convolution 32 of 11x11; 3 blocks of 2 convolutions 32 of 3x3, "
         "batch normalisation, pooling; dense 128", "same"),
        ("padding; initial weights", "unknown", "none; Glorot"),
        ("statistics of batch normalisation in tests", "unknown",
         "means over training words, final weights"),
        ("dropout", "0.2 after each block", "same"),
        ("optimiser; batch", "Adamax 2e-3; 32", "same"),
        ("epochs", "unknown", "16"), ("runs", "unknown", "3"))),
    Experiment(NAME, "LSTM", (
        ("cells; time bins", "128; 10 ms (recalled)", "same"),
        ("dropout", "0.2 of input and recurrence (recalled)", "same"),
        ("optimiser", "Adamax (recalled)", "Adam 3e-3, cosine to 0; batches of 64"),
        ("loss", "unknown", "of the maximum after 0.2 s"),
        ("epochs", "unknown", "50"), ("runs", "unknown", "3"))),
    Experiment(NAME, "Support vector machines (published: second-hand)", (
        ("counts z", "standardised", "same"),
        ("program", "SVC of scikit-learn", "same"),
        ("loss", "hinge, cost 1; one class against another", "same"),
        ("kernels, m channels", "z.z'; (z.z'/m)^2; (z.z'/m)^3; radial, 1/m", "same"))),
)
