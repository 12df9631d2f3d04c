"""Define the colours of all figures.

Each colour is a hexadecimal string.  Therefore, only the code that draws a figure needs
to import matplotlib.  The colour cycle in `style.mplstyle` equals `PALETTE`.
"""

# Readers with colour blindness can distinguish the palette of Okabe and Ito.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#7F7F7F"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
