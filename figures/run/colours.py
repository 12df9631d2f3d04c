"""Define the colours of all figures as plain strings.

The colours are strings because jobs must not load matplotlib.  The colour cycle
of `style.mplstyle` repeats them.
"""

# The palette of Okabe and Ito, which readers with colour blindness can tell apart.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#7F7F7F"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
