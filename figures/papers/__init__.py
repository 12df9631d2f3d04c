"""List the published results of all papers, and the settings of some experiments.

Each module describes one paper.  The tuple `ROWS` has one `Row` for each published
result, such as a figure, a number in a table, or a statement in the abstract.  The
tuple `SETTINGS` has one `Experiment` for each experiment that refsnn repeats.  An
`Experiment` lists published settings beside those of refsnn.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """This class describes one published result of a paper."""

    place: str              # such as "fig. 4", "table 1", "tutorial 2", "abstract"
    states: str             # what the paper states there, in one short sentence
    claims: tuple = ()      # "figure.id" of the claims that answer it
    reason: str = ""        # without claims: why nothing was attempted


class Experiment(NamedTuple):
    """This class compares published settings with the settings of refsnn."""

    figure: str
    title: str
    settings: tuple         # of (setting, published, ours)
