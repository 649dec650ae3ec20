"""When a search's guide is fitted anew, and when it only takes more scores in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nnstruct.search.guide import FEWEST_SCORES, Guide, JointGuide, fit_guide
from nnstruct.search.ledger import Entry, Fit, scored

# A guide that can take scores in is fitted anew after so many more, as a share of those of its last fit.
GROWTH = 0.2


class Refits:
    """The guide that a search screens with, brought to what was told.

    Attributes
    ----------
    guide : Guide or None
        Fitted; None where there is nothing to predict with yet.
    """

    def __init__(self) -> None:
        self.guide: Any = None
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
        structures, scores = scored(_of(entries, fit.trials, fit.pending))
        if correct or not isinstance(guide, JointGuide):
            self.guide, self._fit = fit_guide(guide, structures, scores, correct=correct), fit
            return fit
        if len(structures) < FEWEST_SCORES:
            self.guide, self._fit = None, fit
            return fit
        if fit.anchor is None:
            before = 0 if previous is None else len(scored(_of(entries, *previous))[0])
            due = before < FEWEST_SCORES or len(structures) >= (1 + GROWTH) * before
            fit = replace(fit, anchor=(fit.trials, fit.pending) if due else previous)
        if self.guide is None or fit.anchor != self._anchor:
            assert fit.anchor is not None
            self.guide = fit_guide(guide, *scored(_of(entries, *fit.anchor)), correct=False)
            self._anchor = fit.anchor
        self.guide.condition(structures, scores)
        self._fit = fit
        return fit

    def latest(self, guide: Guide, entries: Sequence[Entry], *, correct: bool) -> Any:
        """A guide that knows all scores told, for what is believed of them.

        Parameters
        ----------
        guide : Guide
        entries : sequence of Entry
            Those told.
        correct : bool

        Returns
        -------
        Guide or None
            One that can take scores in is that of :meth:`bring`, until the next call of it.
        """
        structures, scores = scored(entries)
        if not correct and len(structures) < FEWEST_SCORES:
            return None
        if not correct and isinstance(guide, JointGuide) and self.guide is not None:
            self._fit = None
            return self.guide.condition(structures, scores)
        return fit_guide(guide, structures, scores, correct=correct)


def _of(entries: Sequence[Entry], trials: int, pending: tuple[int, ...]) -> list[Entry]:
    return [e for e in entries if e.number < trials and e.number not in pending]
