"""When a search's guide is fitted anew, and when it only takes more scores in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.search.guide import FEWEST_SCORES, Guide, JointGuide, fit_guide
from nnstruct.search.ledger import FAILED, Entry, Fit
from nnstruct.search.scores import measurements, scored
from nnstruct.structure import Structure

# A guide that can take scores in is fitted anew after so many more, as a share of those of its last fit.
GROWTH = 0.2
# Rows that a guide that can take scores in rests on: its time grows with their cube.
MOST_ROWS = 1000


class Refits:
    """The guide that a search screens with, brought to what was told.

    Attributes
    ----------
    guide : Guide or None
        Fitted; None where there is nothing to predict with yet.
    sign : float
        1 where scores are to be high, -1 where they are to be low.
    merit : callable
        From structures and scores, turned so that they are to be high, to an order of what is promising.
    """

    def __init__(self) -> None:
        self.guide: Any = None
        self.sign = 1.0
        self.merit: Callable[[list[Structure], np.ndarray], np.ndarray] = lambda structures, scores: scores
        self._anchor: tuple[int, tuple[int, ...]] | None = None
        self._fit: Fit | None = None

    def bring(
        self,
        guide: Guide,
        entries: Sequence[Entry],
        fit: Fit,
        previous: tuple[int, tuple[int, ...]] | None,
        *,
        correct: bool,
    ) -> Fit:
        """Fit the guide on what a fit names.

        The same fits lead to the same guide, whether a search was interrupted between them or not.

        Parameters
        ----------
        guide : Guide
            As the user gave it; it is left as it is.
        entries : sequence of Entry
            All that is known.
        fit : Fit
            Which trials count now.
        previous : pair of int and tuple of int, optional
            The anchor of the fit before.
        correct : bool
            As in :func:`nnstruct.search.guide.fit_guide`.

        Returns
        -------
        Fit
            With the trials that the guide was last fitted anew on.
        """
        if self.guide is not None and fit == self._fit:
            return fit
        joint = isinstance(guide, JointGuide) and not correct
        rows, waiting = _of(entries, fit.trials, fit.pending), [e for e in entries if e.number in fit.pending]
        structures, scores = self._lessons(rows, () if joint else waiting, capped=joint)
        if not joint:
            self.guide, self._fit = fit_guide(guide, structures, scores, correct=correct), fit
            return fit
        if len(structures) < FEWEST_SCORES:
            self.guide, self._fit = None, fit
            return fit
        if fit.anchor is None:
            before = 0 if previous is None else len(scored(_of(entries, *previous))[0])
            due = before < FEWEST_SCORES or len(scored(rows)[0]) >= (1 + GROWTH) * before
            fit = replace(fit, anchor=(fit.trials, fit.pending) if due else previous)
        if self.guide is None or fit.anchor != self._anchor:
            assert fit.anchor is not None
            self._anew(guide, entries, fit.anchor)
        self.guide.condition(structures, scores)
        self._fit = fit
        return fit

    def _anew(self, guide: Guide, entries: Sequence[Entry], anchor: tuple[int, tuple[int, ...]]) -> None:
        """Fit a guide that can take scores in on what was told at the time of an anchor."""
        known = self._lessons(_of(entries, *anchor), (), capped=True)
        self.guide, self._anchor = fit_guide(guide, *known, correct=False), anchor

    def _lessons(
        self, told: Sequence[Entry], awaited: Sequence[Entry], *, capped: bool
    ) -> tuple[list[Structure], np.ndarray]:
        """All lessons; of more than :data:`MOST_ROWS` the best half of these, the rest as if at random."""
        structures, scores = lessons(told, awaited, self.sign)
        if not capped or len(structures) <= MOST_ROWS:
            return structures, scores
        best = np.argsort(-self.merit(structures, self.sign * scores), kind="stable")
        half = MOST_ROWS // 2
        others = sorted(best[half:].tolist(), key=lambda place: structures[place].fingerprint)
        kept = sorted([*best[:half].tolist(), *others[: MOST_ROWS - half]])
        return [structures[place] for place in kept], scores[kept]

    def latest(
        self, guide: Guide, entries: Sequence[Entry], *, correct: bool, last: Fit | None = None
    ) -> Any:
        """A guide that knows all scores told, for what is believed of them.

        Parameters
        ----------
        guide : Guide
        entries : sequence of Entry
            Those told.
        correct : bool
        last : Fit, optional
            That of the last question, which an earlier process may have asked: from there on a guide that can
            take scores in is what it would be had that process gone on.

        Returns
        -------
        Guide or None
            One that can take scores in is that of :meth:`bring`, until the next call of it.
        """
        joint = isinstance(guide, JointGuide) and not correct
        structures, scores = self._lessons(entries, (), capped=joint)
        if not correct and len(structures) < FEWEST_SCORES:
            return None
        if joint and self.guide is None and last is not None and last.anchor is not None:
            self._anew(guide, entries, last.anchor)
        if joint and self.guide is not None:
            self._fit = None
            return self.guide.condition(structures, scores)
        return fit_guide(guide, structures, scores, correct=correct)


def lessons(
    told: Sequence[Entry], awaited: Sequence[Entry], sign: float
) -> tuple[list[Structure], np.ndarray]:
    """What a guide learns: scores, and what stands for them where there are none.

    A structure comes up as often as it was measured.

    A structure that diverged each time counts as the worst of the scores told, so that its like is not
    asked again and again. One that is awaited counts as what the guide had predicted of it ("kriging
    believer"; Ginsbourger et al., 2010).

    Parameters
    ----------
    told, awaited : sequence of Entry
    sign : float
        1 where scores are to be high, -1 where they are to be low.

    Returns
    -------
    structures : list of Structure, length m
    scores : float64 [m]
        Both empty before a finite score was told.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> wide, deep = Structure.from_layers([4]), Structure.from_layers([1, 1, 1])
    >>> rows = [Entry(0, wide, "prior", (), 0, "complete", 0.4), Entry(1, deep, "prior", (), 0, "failed")]
    >>> lessons(rows, [], 1.0)[1].tolist()
    [0.4, 0.4]
    """
    structures, scores = measurements(told)
    if not structures:
        return [], scores
    seen = {structure.fingerprint for structure in structures}
    values = scores.tolist()
    worst = sign * float((sign * scored(told)[1]).min())
    for entry in told:
        if entry.state == FAILED and entry.fingerprint not in seen:
            seen.add(entry.fingerprint)
            structures.append(entry.structure)
            values.append(worst)
    for entry in awaited:
        if entry.prediction is not None and entry.fingerprint not in seen:
            seen.add(entry.fingerprint)
            structures.append(entry.structure)
            values.append(entry.prediction)
    return structures, np.array(values, dtype=np.float64)


def _of(entries: Sequence[Entry], trials: int, pending: tuple[int, ...]) -> list[Entry]:
    return [e for e in entries if e.number < trials and e.number not in pending]
