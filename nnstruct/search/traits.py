"""Parameters of a trial, so that Optuna's plots and its dashboard show what good structures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.structure import Structure

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_DRAWS = 8
SEVERAL, OTHER, TOLD, PRIOR, ENQUEUED = "several", "other", "told", "prior", "enqueued"
REPEATED = "repeated"


def traits_of(structure: Structure) -> dict[str, int]:
    """What is written into a trial's parameters as integers.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    dict of str to int
        ``units``, ``edges`` (forward ones), ``layers``, ``width`` (units of the largest layer) and, where
        units have channels, ``channels`` (their sum).

    Examples
    --------
    >>> from nnstruct import Structure
    >>> traits_of(Structure.from_layers([3, 2]))
    {'units': 5, 'edges': 6, 'layers': 2, 'width': 3}
    """
    found = {
        "units": structure.num_units,
        "edges": structure.forward_edges.shape[1],
        "layers": structure.num_layers,
        "width": int(max(structure.layer_sizes)),
    }
    channels = structure.attributes.get("channels")
    return found if channels is None else found | {"channels": int(sum(channels))}


class Traits:
    """The parameters of a study's trials: the same for all of them, as Optuna's evaluators ask for.

    Parameters
    ----------
    makers : sequence of str
        Names of priors and operators, and what else ``made_by`` may be.
    bounds : mapping of str to (int, int)
        Least and greatest value of each trait. One beyond them is written as the bound; the trial's user
        attributes hold the true one.
    """

    def __init__(self, makers: Sequence[str], bounds: Mapping[str, Sequence[int]]) -> None:
        self.makers = tuple(makers)
        self.bounds = {name: (int(low), int(high)) for name, (low, high) in bounds.items()}

    @classmethod
    def of_space(cls, space: Any, rng: np.random.Generator) -> Traits:
        """What is likely to come up in a space, judged by some draws from it.

        Parameters
        ----------
        space : SearchSpace
        rng : numpy.random.Generator

        Returns
        -------
        Traits
            From half the least to twice the greatest value drawn; units as the space bounds them, where it
            does.
        """
        from nnstruct.priors import PRIORS
        from nnstruct.search.operators import OPERATORS

        operators = getattr(space, "operators", ()) or OPERATORS
        names = [
            *PRIORS,
            *operators,
            "crossover",
            "mutation",
            "neighbour",
            REPEATED,
            PRIOR,
            ENQUEUED,
            TOLD,
            SEVERAL,
            OTHER,
        ]
        rows = [traits_of(structure) for structure in space.draw(_DRAWS, rng)]
        shared = set.intersection(*(set(row) for row in rows)) if rows else set()
        bounds = {}
        for name in (name for name in (rows[0] if rows else ()) if name in shared):
            values = [row[name] for row in rows]
            bounds[name] = (min(values) // 2, 2 * max(values))
        inner = getattr(space, "space", space)
        units = getattr(getattr(inner, "space", inner), "units", None)
        if bounds and isinstance(units, tuple):
            bounds["units"] = units
        return cls(list(dict.fromkeys(names)), bounds)

    def to_json(self) -> dict[str, Any]:
        """JSON values; :meth:`from_json` reads them back."""
        return {
            "makers": list(self.makers),
            "bounds": {name: list(pair) for name, pair in self.bounds.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Traits:
        """From JSON values.

        Parameters
        ----------
        values : mapping

        Returns
        -------
        Traits
        """
        return cls(values["makers"], values["bounds"])

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's description of each parameter."""
        from optuna.distributions import CategoricalDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {"made_by": CategoricalDistribution(self.makers)}
        return found | {name: IntDistribution(low, high) for name, (low, high) in self.bounds.items()}

    def parameters(self, structure: Structure, operator: str) -> dict[str, Any]:
        """The parameters of a structure's trial.

        Parameters
        ----------
        structure : Structure
        operator : str
            As in :class:`nnstruct.search.ledger.Entry`.

        Returns
        -------
        dict
            ``made_by`` is a prior, an operator, ``several`` of them, ``told`` or ``other``.
        """
        maker = SEVERAL if "+" in operator else operator
        if operator == PRIOR:
            maker = str(structure.origin.get("prior", PRIOR))
        traits = traits_of(structure)
        clipped = {
            name: min(max(traits.get(name, low), low), high) for name, (low, high) in self.bounds.items()
        }
        return {"made_by": maker if maker in self.makers else OTHER, **clipped}
