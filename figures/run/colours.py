"""The colours of all figures.

Jobs must not load matplotlib, so colours are plain strings;
`style.mplstyle` repeats them as its colour cycle.
"""

# Okabe and Ito's colours, told apart with any kind of colour vision.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#7F7F7F"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
