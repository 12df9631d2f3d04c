"""Define the colours of all figures as plain strings.

The colours are plain strings, because matplotlib must not be imported while a figure is
computed.  The file `style.mplstyle` defines a colour cycle with the same colours.
"""

# Readers with colour blindness can distinguish the palette of Okabe and Ito.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#7F7F7F"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
