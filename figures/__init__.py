"""Compute all figures of refsnn.

The code in the folder `run` computes all figures, and writes a web page that shows the
figures.  Each figure has a Python file fig_NAME.py in a subfolder of `figures`.
"""


def figure(name, *, size="default", seed=0, data=None, **options):
    """Compute and draw one figure in this process, with one BLAS thread.

    >>> from figures import figure                                # doctest: +SKIP
    >>> result = figure("xor", seed=3, hidden=8)
    >>> print(result)
    >>> result.figure.savefig("xor.png")

    Parameters
    ----------
    name : name of the figure; `python run_all.py --list` shows all names.
    size : "quick" (claims are not judged), "default" or "full".
    seed : root of all random numbers.
    data : folder of the data sets, which some figures need with size "full".
    **options : arguments of the function `jobs` of the figure, such as network sizes.
        With other values than the defaults, claims are not judged.

    Returns
    -------
    A named tuple with `data` (arrays by name), `claims` (results by id), `figure` (the
    matplotlib figure) and `told` (one line of text for each claim).

    Raises
    ------
    ValueError
        If there is no such figure, size or option, or if the data are missing.
    """
    from figures.run import notebook
    return notebook.figure(name, size=size, seed=seed, data=data, **options)
