"""Which properties go with a benchmark's label, one by one and by family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.metrics import r2_score

from nnstruct.checks import check_rounds
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import BenchmarkLike, Predictor, grouped_folds
from nnstruct.predictors.tabular import TabularPredictor
from nnstruct.random import check_seed, generator


def label_correlations(table: pd.DataFrame, y: Sequence[float] | np.ndarray) -> pd.DataFrame:
    """Spearman's rank correlation of each column with the label.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`nnstruct.properties.features`, n rows.
    y : float [n]

    Returns
    -------
    pandas.DataFrame
        Indexed by column, the strongest first: ``spearman`` over the structures where the measure is
        defined, and ``known``, their number. Columns that do not vary, or are defined for fewer than three
        structures, are left out.

    Raises
    ------
    InvalidInputError
        If lengths differ.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"a.up": [1.0, 2, 3], "a.same": 1.0})
    >>> label_correlations(table, [5, 6, 9])["spearman"].to_dict()
    {'a.up': 1.0}
    """
    label = np.asarray(y, dtype=np.float64)
    if label.shape != (len(table),):
        raise InvalidInputError("y", f"have shape [{len(table)}]", list(label.shape))
    found = {}
    for name in table.columns:
        values = table[name].to_numpy(dtype=np.float64)
        known = np.isfinite(values)
        if known.sum() < 3 or np.ptp(values[known]) == 0 or np.ptp(label[known]) == 0:
            continue
        ranks = np.corrcoef(rankdata(values[known]), rankdata(label[known]))[0, 1]
        found[name] = (float(ranks.round(12)), int(known.sum()))
    result = pd.DataFrame.from_dict(found, orient="index", columns=["spearman", "known"])
    return result.loc[result["spearman"].abs().sort_values(ascending=False, kind="stable").index]


def family_importance(
    predictor: Predictor, bench: BenchmarkLike, *, folds: int = 5, permutations: int = 10, seed: int = 0
) -> pd.DataFrame:
    """How much of R2 is lost when a family's measures are shuffled among structures not seen.

    The predictor is fitted to all folds but one; in the fold left out, all columns of a family move
    together to other structures (permutation importance; Breiman, 2001; by group, since columns of
    a family stand in for each other). A family whose signal others carry too shows little loss.

    Parameters
    ----------
    predictor : Predictor
        One that learns from a table of features, with two families or more to tell apart. With
        ``families="auto"`` they are the groups of :class:`nnstruct.encode.FeatureTable`.
    bench : Benchmark
    folds : int
    permutations : int
        Shuffles in each fold.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Indexed by family, the largest first: ``loss`` of R2, its standard deviation ``sd`` over the
        shuffles, and the ``columns`` that vary. ``attrs["r2"]`` is R2 without a shuffle.

    Raises
    ------
    InvalidInputError
        If the predictor does not learn from a table, or an option is out of range.

    References
    ----------
    Breiman, 2001, "Random forests".
    """
    if not isinstance(predictor, TabularPredictor):
        raise InvalidInputError("predictor", "be one that learns from a table of features", predictor)
    structures, y = list(bench.structures), np.asarray(bench.y, dtype=np.float64)
    permutations = check_rounds(permutations, "permutations", each=8 * len(y))
    fold = grouped_folds([s.fingerprint for s in structures], folds, check_seed(seed), "importance")
    plain = np.empty(len(y))
    chosen = () if isinstance(predictor.families, str) else predictor.families
    shuffled = {name: np.empty((permutations, len(y))) for name in chosen}
    width = dict.fromkeys(chosen, 0)
    for held_out in range(folds):
        inside, outside = np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)
        fitted = clone(predictor).fit([structures[i] for i in inside], y[inside])
        first, *rest = (step for _, step in fitted.pipeline_.steps)
        values = first.transform([structures[i] for i in outside])  # [n, c]
        plain[outside] = _through(rest, values)
        for name, own in first.groups_.items():
            width[name] = max(width.get(name, 0), len(own))
            shuffled.setdefault(name, np.tile(plain, (permutations, 1)))  # no loss in folds before
        rng = generator(seed, "importance", "shuffle", held_out)
        for turn in range(permutations):
            order = rng.permutation(len(outside))
            for name, predictions in shuffled.items():
                moved = values.copy()
                if name in first.groups_:
                    own = first.groups_[name]
                    moved[:, own] = values[order][:, own]
                predictions[turn, outside] = _through(rest, moved)
    reached = r2_score(y, plain)
    rows = {name: [reached - r2_score(y, p) for p in predictions] for name, predictions in shuffled.items()}
    result = pd.DataFrame(
        {
            "loss": {name: float(np.mean(losses)) for name, losses in rows.items()},
            "sd": {name: float(np.std(losses)) for name, losses in rows.items()},
            "columns": width,
        }
    ).sort_values("loss", ascending=False, kind="stable")
    result.attrs["r2"] = float(reached)
    return result


def _through(steps: Sequence, values: np.ndarray) -> np.ndarray:
    for step in steps[:-1]:
        values = step.transform(values)
    return steps[-1].predict(values)
