"""Finalists of a search, trained again, so that what is reported was not chosen for its luck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from nnstruct.errors import InvalidInputError
from nnstruct.search.history import UNKNOWN, Believed
from nnstruct.structure import Structure

if TYPE_CHECKING:
    import pandas as pd

Train = Callable[[list[Structure], list[int]], Any]
# Seeds of the trainings of finalists, far from those that a search trains with.
FIRST_SEED = 1_000_000
COVERAGE = 0.95


@dataclass(frozen=True, eq=False)
class Final:
    """What came out of training the finalists again.

    Attributes
    ----------
    winner : Structure
        That with the best mean of the scores to choose by.
    score : float
        The mean of its scores on data that neither the search nor the choice has seen.
    interval : (float, float)
        95% interval of that mean over seeds (Student's t); infinite for one seed.
    table : pandas.DataFrame
        One row a finalist, in the order of the search's belief: ``fingerprint``, ``claimed`` (the mean of
        the scores told), ``believed`` and ``believed_std`` (the guide's, as in the history), ``chosen_by``
        (the mean of the new scores to choose by), ``retrained``, ``retrained_std``, ``low``, ``high`` (mean,
        standard deviation over seeds, and interval of the scores to report) and ``winner``.
    """

    winner: Structure
    score: float
    interval: tuple[float, float]
    table: pd.DataFrame

    def retrained(self) -> dict[str, float]:
        """The scores to report by fingerprint.

        Returns
        -------
        dict of str to float
        """
        return dict(zip(self.table["fingerprint"], self.table["retrained"].tolist(), strict=True))


def finalists_table(
    structures: Sequence[Structure],
    claimed: Sequence[float],
    believed: Mapping[str, Believed],
    train: Train,
    seeds: int,
    sign: float,
) -> Final:
    """Train structures with new seeds, and tell the winner.

    Parameters
    ----------
    structures : sequence of Structure, length m
    claimed : sequence of float, length m
    believed : mapping of str to Believed
        By fingerprint.
    train : callable
        As for :meth:`nnstruct.search.Search.finish`.
    seeds : int
    sign : float
        1 where scores are to be high, -1 where they are to be low.

    Returns
    -------
    Final

    Raises
    ------
    InvalidInputError
        If ``train`` gives other shapes, or no finalist has a finite score.
    """
    import pandas as pd

    given = train(list(structures), [FIRST_SEED + seed for seed in range(seeds)])
    shape = (len(structures), seeds)
    pair = [np.asarray(part, dtype=np.float64) for part in given] if isinstance(given, tuple) else []
    if len(pair) != 2 or any(part.shape != shape for part in pair):
        shown = [part.shape for part in pair] or type(given).__name__
        raise InvalidInputError("train", f"return two arrays of shape {list(shape)}", shown)
    choice, report = pair
    by = np.array([row[np.isfinite(row)].mean() if np.isfinite(row).all() else np.nan for row in choice])
    if not np.isfinite(by).any():
        raise InvalidInputError("train", "give a finalist finite scores", "none")
    rows = []
    for structure, claim, chosen_by, scores in zip(structures, claimed, by, report, strict=True):
        mean, std, low, high = _mean_and_interval(scores)
        rows.append(
            {
                "fingerprint": structure.fingerprint,
                "claimed": claim,
                **believed.get(structure.fingerprint, UNKNOWN).row(),
                "chosen_by": chosen_by,
                "retrained": mean,
                "retrained_std": std,
                "low": low,
                "high": high,
            }
        )
    table = pd.DataFrame(rows)
    place = int(np.nanargmax(sign * by))
    table["winner"] = np.arange(len(table)) == place
    won = rows[place]
    return Final(structures[place], won["retrained"], (won["low"], won["high"]), table)


def _mean_and_interval(scores: np.ndarray) -> tuple[float, float, float, float]:
    mean = float(scores.mean())
    if len(scores) < 2:
        return mean, np.nan, -np.inf, np.inf
    std = float(scores.std(ddof=1))
    half = float(stats.t.ppf(0.5 + COVERAGE / 2, len(scores) - 1)) * std / np.sqrt(len(scores))
    return mean, std, mean - half, mean + half
