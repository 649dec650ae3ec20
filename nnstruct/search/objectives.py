"""What a search is after: a score that is told, and measures that a structure has before it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import check_choice
from nnstruct.errors import InvalidInputError
from nnstruct.search.gain import worst_corner
from nnstruct.structure import Structure

if TYPE_CHECKING:
    from nnstruct.record import TrainConfig
    from nnstruct.tasks import Task

DIRECTIONS = {"maximize": 1.0, "minimize": -1.0}
Measure = Callable[[Structure], float]

SIMPLE: Mapping[str, Measure] = {
    "edges": lambda structure: structure.forward_edges.shape[1],
    "layers": lambda structure: structure.num_layers,
    "units": lambda structure: structure.num_units,
}
OF_TASK = ("flops", "parameters")


class Objectives:
    """The objectives of a search: one that is told, and any number of measures of the structure.

    Parameters
    ----------
    objectives : sequence of str or callable, optional
        ``parameters``, ``flops``, ``edges``, ``units``, ``layers``, or own functions from a Structure to a
        number, called by their names; and exactly one other name, that of what is told. Only what is told,
        by default.
    directions : sequence or mapping of str, optional
        ``maximize`` or ``minimize``, one for each objective or some of them by name. The others are to be low
        by default.
    told_direction : {"maximize", "minimize"}
        That of what is told, where ``directions`` says nothing of it.
    task : Task, optional
        ``parameters`` and ``flops`` count the inputs and the read-out that it asks for.
    config : TrainConfig, optional
    limits : mapping of str to float, optional
        The most that structures of the search have of an objective that is to be low.

    Attributes
    ----------
    names : tuple of str, length k
    signs : float64 [k]
        1 where an objective is to be high, -1 where it is to be low.
    told : int
        The place of what is told.

    Raises
    ------
    InvalidInputError
        If a name or a direction breaks its rule, or a measure needs a task and there is none.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> def width(structure):
    ...     return max(structure.layer_sizes)
    >>> found = Objectives(["val", "edges", width])
    >>> found.names, found.signs.tolist(), found.told
    (('val', 'edges', 'width'), [1.0, -1.0, -1.0], 0)
    >>> found.values(Structure.from_layers([3, 2]), 0.5).tolist()
    [0.5, 6.0, 3.0]
    """

    def __init__(
        self,
        objectives: Sequence[str | Measure] | None = None,
        directions: Sequence[str] | Mapping[str, str] | None = None,
        *,
        told_direction: str = "maximize",
        task: Task | None = None,
        config: TrainConfig | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        if isinstance(objectives, str) or not isinstance(objectives, Sequence | None):
            raise InvalidInputError("objectives", "be a sequence of names and functions", objectives)
        wanted = ["score"] if objectives is None else list(objectives)
        self.names = tuple(_name(one) for one in wanted)
        if len(set(self.names)) < len(self.names):
            raise InvalidInputError("objectives", "name each once", list(self.names))
        self._measures: dict[str, Measure] = {}
        for name, one in zip(self.names, wanted, strict=True):
            if callable(one):
                self._measures[name] = one
            elif name in SIMPLE or name in OF_TASK:
                self._measures[name] = measure(name, task, config)
        told = [name for name in self.names if name not in self._measures]
        if len(told) != 1:
            known = ", ".join(sorted([*SIMPLE, *OF_TASK]))
            rule = f"name exactly one score that is told, beside functions and {known}"
            raise InvalidInputError("objectives", rule, list(self.names))
        self.told = self.names.index(told[0])
        self.directions = self._directed(directions, told_direction)
        self.signs = np.array([DIRECTIONS[direction] for direction in self.directions])
        self._known: dict[str, np.ndarray] = {}
        allowed = [
            -float((limits or {}).get(name, -np.inf)) if sign < 0 else np.inf
            for name, sign in zip(self.names, self.signs.tolist(), strict=True)
        ]
        self._allowed = np.concatenate([[allowed[self.told]], np.array(allowed)[self.others]])

    def __len__(self) -> int:
        return len(self.names)

    @property
    def others(self) -> np.ndarray:
        """Places of the objectives that are known of a structure, int64 [k - 1]."""
        return np.delete(np.arange(len(self)), self.told)

    def values(self, structure: Structure, score: float) -> np.ndarray:
        """All objectives of a structure with a score, in their units.

        Parameters
        ----------
        structure : Structure
        score : float

        Returns
        -------
        float64 [k]

        Raises
        ------
        InvalidInputError
            If a measure gives no finite number.
        """
        found = self._measured(structure).copy()
        found[self.told] = score
        return found

    def points(self, structures: Sequence[Structure], scores: np.ndarray) -> np.ndarray:
        """Objectives, each turned so that it is to be high, what is told first.

        Parameters
        ----------
        structures : sequence of Structure, length n
        scores : float [n]
            Of what is told, turned already.

        Returns
        -------
        float64 [n, k]
        """
        return np.column_stack([scores, self.known(structures)])

    def known(self, structures: Sequence[Structure]) -> np.ndarray:
        """The objectives beside what is told, each turned so that it is to be high.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        float64 [n, k - 1]
        """
        rows = [self._measured(structure) for structure in structures]
        whole = np.array(rows, dtype=np.float64).reshape(len(rows), len(self)) * self.signs
        return np.asarray(np.delete(whole, self.told, axis=1))

    def _measured(self, structure: Structure) -> np.ndarray:
        found = self._known.get(structure.fingerprint)
        if found is None:
            found = np.zeros(len(self))
            for place, name in enumerate(self.names):
                if name in self._measures:
                    value = float(self._measures[name](structure))
                    if not np.isfinite(value):
                        raise InvalidInputError(f"objective {name!r}", "be a finite number", value)
                    found[place] = value
            self._known[structure.fingerprint] = found
        return found

    def reference_point(self, given: Sequence[float] | None) -> np.ndarray | None:
        """A reference in the units and the order of the objectives, turned as :meth:`points` are.

        Parameters
        ----------
        given : sequence of float, length k, optional

        Returns
        -------
        float64 [k] or None

        Raises
        ------
        InvalidInputError
            If it is not one finite number for each objective.
        """
        if given is None:
            return None
        values = np.asarray(given, dtype=np.float64)
        if values.shape != (len(self),) or not np.isfinite(values).all():
            raise InvalidInputError("reference", f"be {len(self)} finite numbers", given)
        turned = values * self.signs
        return np.concatenate([turned[[self.told]], turned[self.others]])

    def corner(self, points: np.ndarray, given: Sequence[float] | None = None) -> np.ndarray:
        """What is worse than this is of no interest: what volumes below a front are measured from.

        Parameters
        ----------
        points : float [n, k]
            Turned as :meth:`points` are; at least one.
        given : sequence of float, length k, optional
            As for :meth:`reference_point`, where there is one.

        Returns
        -------
        float64 [k]
            By default a tenth of the range below the worst of each objective, or what the search allows,
            where that is further: a network with many parameters is then worth something before the first
            of them was trained.

        Raises
        ------
        InvalidInputError
            As for :meth:`reference_point`.

        Examples
        --------
        >>> points = np.array([[0.5, -100.0], [0.6, -200.0]])
        >>> Objectives(["val", "edges"]).corner(points).round(2).tolist()
        [0.49, -210.0]
        >>> Objectives(["val", "edges"], limits={"edges": 900}).corner(points).round(2).tolist()
        [0.49, -900.0]
        """
        reference = self.reference_point(given)
        return np.minimum(worst_corner(points), self._allowed) if reference is None else reference

    def _directed(self, directions: Sequence[str] | Mapping[str, str] | None, told: str) -> tuple[str, ...]:
        usual = [told if place == self.told else "minimize" for place in range(len(self))]
        if directions is None:
            return tuple(usual)
        if isinstance(directions, Mapping):
            for name in directions:
                check_choice(name, "directions", self.names)
            chosen = [directions.get(name, way) for name, way in zip(self.names, usual, strict=True)]
        elif isinstance(directions, str) or not isinstance(directions, Sequence):
            raise InvalidInputError("directions", "be one direction for each objective", directions)
        else:
            chosen = list(directions)
        if len(chosen) != len(self):
            raise InvalidInputError("directions", f"be one for each of {len(self)} objectives", chosen)
        for direction in chosen:
            check_choice(direction, "directions", tuple(DIRECTIONS))
        return tuple(chosen)


def measure(name: str, task: Task | None, config: TrainConfig | None) -> Measure:
    """A measure of structures by its name.

    Parameters
    ----------
    name : str
        ``parameters``, ``flops``, ``edges``, ``units`` or ``layers``.
    task : Task, optional
    config : TrainConfig, optional

    Returns
    -------
    callable

    Raises
    ------
    InvalidInputError
        If it needs a task and there is none.
    """
    if name in SIMPLE:
        return SIMPLE[name]
    from nnstruct.modules import count_multiply_adds
    from nnstruct.modules.parameters import count_parameters
    from nnstruct.record import TrainConfig

    if task is None:
        hint = f"Weights at inputs and read-out depend on it; or give a function in place of {name!r}."
        raise InvalidInputError("task", f"be given to count {name}", task, hint)
    given, settings = task, config or TrainConfig()
    if name == "flops":
        return lambda structure: 2 * count_multiply_adds(structure, given, settings)
    return lambda structure: count_parameters(structure, given, settings)


def _name(objective: Any) -> str:
    if isinstance(objective, str):
        return objective
    name = getattr(objective, "__name__", type(objective).__name__)
    if not callable(objective) or not str(name).isidentifier():
        raise InvalidInputError("objectives", "be names and named functions", objective)
    return str(name)
