"""A predictor that knows something before it sees a label."""

from __future__ import annotations

from nnstruct.checks import check_choice
from nnstruct.predictors.ensemble.predictor import Ensemble
from nnstruct.predictors.ensemble.prior import SHIPPED
from nnstruct.predictors.homes import STRUCTURES
from nnstruct.predictors.sources import shipped_sources


def load_pretrained(name: str = "structures") -> Ensemble:
    """A predictor that scores structures without any label, and learns from few.

    Before ``fit`` it predicts how many standard deviations a structure lies above the mean of its task
    (of the label made normal by a power transform), by what models of the shipped benchmarks say of it,
    averaged over their data sets. ``predict(..., return_std=True)`` gives the deviation with which nine in
    ten labels of a benchmark on new data lay within 1.645 of it, measured by leaving out each data set.
    That is little: ``prior_.models.untrained`` says how little. After ``fit`` it is
    ``Ensemble(prior="shipped")``.

    Parameters
    ----------
    name : {"structures"}

    Returns
    -------
    Ensemble

    Raises
    ------
    InvalidInputError
        If there is no such predictor.
    CorruptFileError
        If the package's files were altered.

    Examples
    --------
    >>> import nnstruct as ns
    >>> model = ns.load_pretrained("structures")
    >>> nets = [ns.Structure.from_layers([4, width, 4]) for width in (1, 20)]
    >>> mean, std = model.predict(nets, return_std=True)
    >>> bool(mean[1] > mean[0]), bool(0.5 < std[0] < 1.5)
    (True, True)
    """
    check_choice(name, "name", (STRUCTURES,))
    return Ensemble(prior=SHIPPED).without_labels(shipped_sources())
