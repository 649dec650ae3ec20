"""What a guide was fitted on, as a study keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnstruct.checks import check_integer


@dataclass(frozen=True)
class Fit:
    """Which trials a guide was fitted on: all with a number below ``trials``, save the pending ones.

    Of a guide that can take scores in without a new fit, ``anchor`` names the trials of its last new fit.
    """

    generation: int
    trials: int
    pending: tuple[int, ...]
    anchor: tuple[int, tuple[int, ...]] | None = None

    def to_json(self) -> list[Any]:
        """JSON values; :meth:`from_json` reads them back.

        Returns
        -------
        list
        """
        anchor = None if self.anchor is None else [self.anchor[0], list(self.anchor[1])]
        return [self.generation, self.trials, list(self.pending), anchor]

    @classmethod
    def from_json(cls, values: list[Any]) -> Fit:
        """A fit from its JSON values.

        Parameters
        ----------
        values : list

        Returns
        -------
        Fit
        """
        generation, trials, pending, *more = values
        kept = more[0] if more else None
        anchor = None if kept is None else (count_of(kept[0]), tuple(map(count_of, kept[1])))
        return cls(count_of(generation), count_of(trials), tuple(map(count_of, pending)), anchor)


def count_of(value: Any) -> int:
    """A count that a study holds; more than there can be is damage.

    Parameters
    ----------
    value : Any

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If it is none.
    """
    return check_integer(value, "a count", low=0, high=2**31)
