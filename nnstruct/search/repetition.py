"""Which structures to measure again: those of which another score may change which one is the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from nnstruct.search.belief import Beliefs
from nnstruct.search.choice import Belief, once_measured
from nnstruct.search.fidelity import of_highest
from nnstruct.search.ledger import PENDING, Entry
from nnstruct.search.proposals import Strategy
from nnstruct.search.scores import measurements, scored
from nnstruct.search.traits import REPEATED

# Structures told that come into question, the best in the guide's eyes.
_CONTENDERS = 40
# The standard normal distribution on a grid.
_NODES = np.linspace(-5.0, 5.0, 101)
_WEIGHTS = stats.norm.pdf(_NODES) / stats.norm.pdf(_NODES).sum()
# A gain below this share of the beliefs' spread is none.
_NOTHING = 1e-4
# So many repeats that all give the score of before are enough to see that it is always the same.
_ALWAYS = 4


def knowledge_gradient(mean: np.ndarray, covariance: np.ndarray, noise: float) -> np.ndarray:
    """What one more measurement of each structure adds to the highest mean, as expected beforehand.

    A measurement of structure i moves all means by ``z covariance[:, i] / sqrt(covariance[i, i] + noise)``, z
    being standard normal. The gain is the mean of the highest of them, less the highest now (Frazier, Powell
    and Dayanik, 2009, "The knowledge-gradient policy for correlated normal beliefs", INFORMS Journal on
    Computing 21:599).

    Parameters
    ----------
    mean : float64 [t]
    covariance : float64 [t, t]
        Of true scores.
    noise : float
        Variance of a measurement.

    Returns
    -------
    float64 [t]
        Not negative; by a sum over 101 values of z.

    Examples
    --------
    What is known for sure is not worth a question, nor what cannot be the best:

    >>> import numpy as np
    >>> gain = knowledge_gradient(np.array([0.9, 0.89, 0.1]), np.diag([0.0, 0.01, 0.01]), 0.01)
    >>> (gain > 1e-3).tolist()
    [False, True, False]
    """
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0) + noise)
    moves = covariance / np.maximum(spread, 1e-300)  # [t, t], those of a measurement of i in column i
    after = mean[:, None, None] + moves[:, :, None] * _NODES  # [t, t, z]
    return np.maximum((after.max(axis=0) - mean.max()) @ _WEIGHTS, 0.0)


def to_repeat(belief: Belief, count: int) -> list[int]:
    """The places of structures to measure again, each in view of those before it.

    Parameters
    ----------
    belief : Belief
        Of structures told alone; means and covariances of true scores.
    count : int

    Returns
    -------
    list of int
        Distinct, and at most ``count``: fewer where nothing is left to gain, as without noise.
    """
    mean, covariance = belief.mean, belief.covariance
    scale = float(np.sqrt(np.maximum(np.diag(covariance), 0.0)).max(initial=0.0))
    chosen: list[int] = []
    while len(chosen) < min(count, len(mean)):
        gain = knowledge_gradient(mean, covariance, belief.noise)
        gain[chosen] = -np.inf
        place = int(np.argmax(gain))
        if not gain[place] > _NOTHING * scale:
            break
        chosen.append(place)
        covariance = once_measured(covariance, place, belief.noise)
    return chosen


def _comes_out_the_same(told: Sequence[Entry]) -> bool:
    """Whether structures were measured again some times, and no score was another than before."""
    structures, scores = measurements(told)
    found: dict[str, set[float]] = {}
    for structure, score in zip(structures, scores.tolist(), strict=True):
        found.setdefault(structure.fingerprint, set()).add(score)
    again = len(structures) - len(found)
    return again >= _ALWAYS and all(len(values) == 1 for values in found.values())


def repeat(
    strategy: Strategy,
    entries: Sequence[Entry],
    guide: Any,
    n: int,
    *,
    generation: int,
    rng: np.random.Generator,
) -> list[Entry]:
    """Structures told that are to be measured again, as entries without a trial.

    Parameters
    ----------
    strategy : Strategy
    entries : sequence of Entry
        All that is known.
    guide : Guide or None
        Fitted.
    n : int
        What is asked in all; ``repeat_share`` of what first draws leave of it is repeated.
    generation : int
        Written into the entries.
    rng : numpy.random.Generator

    Returns
    -------
    list of Entry
        None of them awaited already, all at the highest fidelity that was reached.
    """
    if guide is None or not strategy.repeat_share:
        return []
    inside = [entry for entry in entries if entry.inside(strategy.space)]
    first = max(0, strategy.initial - len({entry.fingerprint for entry in inside}))
    count = int(rng.binomial(max(0, n - first), strategy.repeat_share))
    awaited = {entry.fingerprint for entry in inside if entry.state == PENDING}
    told = [entry for entry in of_highest(inside) if entry.fingerprint not in awaited]
    if not count or not scored(told)[0] or _comes_out_the_same(told):
        return []
    beliefs = Beliefs(guide, strategy.sign, told)
    contenders, belief = beliefs.among_told(_CONTENDERS)
    chosen = [contenders[place] for place in to_repeat(belief, count)]
    if not chosen:
        return []
    fidelity = max(entry.fidelity for entry in told)
    return [
        Entry(-1, structure, REPEATED, (), generation, prediction=mean, std=std, fidelity=fidelity)
        for structure, mean, std in zip(chosen, *beliefs.predict(chosen), strict=True)
    ]
