"""Small tables that scikit-learn ships: iris, wine, breast cancer and diabetes.

Columns are standardised by the training split.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnstruct.tasks.base import Task


def iris(*, val: float = 0.15, test: float = 0.15, seed: int = 0) -> Task:
    """The task ``"iris"``: which of three irises has these sepals and petals?

    150 flowers with four lengths (Fisher, 1936). Chance level: accuracy 1/3.

    Parameters
    ----------
    val, test : float
        Shares of the flowers.
    seed : int
        Decides the split.

    Returns
    -------
    Task

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("iris").input_shape
    (4,)
    """
    from sklearn.datasets import load_iris

    return _table("iris", load_iris, val, test, seed)


def wine(*, val: float = 0.15, test: float = 0.15, seed: int = 0) -> Task:
    """The task ``"wine"``: from which of three growers is a wine?

    178 wines with 13 chemical measures (Forina et al., 1991). Chance level: accuracy 0.40, by the commonest.

    Parameters
    ----------
    val, test : float
        Shares of the wines.
    seed : int
        Decides the split.

    Returns
    -------
    Task

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("wine")
    Task('wine', 124/27/27 train/val/test, inputs [13], 3 classes)
    """
    from sklearn.datasets import load_wine

    return _table("wine", load_wine, val, test, seed)


def breast_cancer(*, val: float = 0.15, test: float = 0.15, seed: int = 0) -> Task:
    """The task ``"breast-cancer"``: is a tumour benign (class 1) or malignant?

    569 tumours with 30 measures of their cells' nuclei (Wolberg, Street and Mangasarian, 1993, UCI). Chance
    level: accuracy 0.63, by the commonest.

    Parameters
    ----------
    val, test : float
        Shares of the tumours.
    seed : int
        Decides the split.

    Returns
    -------
    Task

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("breast-cancer")
    Task('breast-cancer', 399/85/85 train/val/test, inputs [30], 2 classes)
    """
    from sklearn.datasets import load_breast_cancer

    return _table("breast-cancer", load_breast_cancer, val, test, seed)


def diabetes(*, val: float = 0.15, test: float = 0.15, seed: int = 0) -> Task:
    """The task ``"diabetes"``: how far will the disease have gone in a year?

    442 patients with ten measures (Efron, Hastie, Johnstone and Tibshirani, 2004, Annals of Statistics 32).
    Chance level: R2 0; linear regression reaches about 0.5.

    Parameters
    ----------
    val, test : float
        Shares of the patients.
    seed : int
        Decides the split.

    Returns
    -------
    Task
        Of the kind ``regression``.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("diabetes")
    Task('diabetes', 310/66/66 train/val/test, inputs [10], 1 real targets)
    """
    from sklearn.datasets import load_diabetes

    return _table("diabetes", load_diabetes, val, test, seed, "regression")


def _table(
    name: str, load: Callable[[], Any], val: float, test: float, seed: int, kind: str = "classification"
) -> Task:
    bunch = load()
    return Task.from_arrays(
        name, bunch.data, bunch.target, kind=kind, val=val, test=test, seed=seed, standardise=True
    )
