"""List results of [ZN21].  Topic: RTRL and biologically plausible learning rules.

Zenke and Neftci, 2021, arXiv 2010.11931.  The authors of refsnn have read only the
abstract of [ZN21].  The abstract states no accuracy.  All accuracies below are from
tasks and networks of refsnn.  The block-diagonal rule is expected to be at most as
accurate as exact RTRL.  With a tolerance of 0.02, the figure `online` tests whether the
block-diagonal rule is at most as accurate as exact RTRL.  The tolerance is needed
because accuracies vary at random.
"""

from figures.papers import Row

ROWS = (
    Row("abstract", "Real-time recurrent learning computes the exact gradient, and "
        "plausible plasticity rules approximate it",
        ("ladder.rtrl", "ladder.no-recurrence")),
    Row("abstract; text", "Block-diagonal Jacobians lower memory and cost "
        "(second-hand: the memory of real-time recurrent learning grows as n^3)",
        ("ladder.memory-rtrl", "ladder.memory-block", "delay.memory",
         "delay.multiplications")),
    Row("abstract", "Networks learn well with block-diagonal Jacobians",
        ("delay.gain-block-30", "delay.loss-block-30", "online.block-minus-exact")))

SETTINGS = ()
