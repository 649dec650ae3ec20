"""What a prior is: a typed, frozen value from which Structures are drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nnstruct.checks import check_room, plain
from nnstruct.errors import InvalidInputError, StructureError
from nnstruct.priors.helpers import components
from nnstruct.priors.sentences import in_one_sentence
from nnstruct.random import check_seed, generator
from nnstruct.registry import Registry
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.recurrence import RECURRENCES, recurrent_edges
from nnstruct.structure.space import Space
from nnstruct.structure.topology import longest_path_layers
from nnstruct.structure.units import UNIT_DEFAULTS

if TYPE_CHECKING:
    pass

PRIORS: Registry[type[Prior]] = Registry("prior")

Probability = Annotated[float, Field(ge=0, le=1)]
Sizes = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, strict=False)]
Orientation = Literal["index", "random"]

DRAWS = 100
_UNIT_BYTES, _EDGE_BYTES = 100, 34  # of a structure and its drawing, about and at least


class Prior(BaseModel, ABC):
    """A distribution over graphs whose parameters are a typed, serialisable value.

    A prior gives connected, undirected graphs on units in an order; each edge then runs from the
    unit that comes first to the later one, which makes the graph directed and acyclic. Every unit
    of a connected graph so oriented lies on a path from a source to a sink, so that no unit is
    dead.

    A prior of one's own names itself, declares its parameters as fields, and defines
    :attr:`expected_edges`, :meth:`parameters_for` and :meth:`pairs`; :mod:`nnstruct.priors` shows
    one. Registered in ``PRIORS`` it takes part in :func:`nnstruct.priors.sample`.

    Raises
    ------
    InvalidInputError
        On construction, if a parameter is missing, unknown, or breaks its rule.

    Examples
    --------
    >>> from nnstruct.priors import load_prior
    >>> prior = load_prior("barabasi-albert", units=20, m=2)
    >>> prior.sample(0, family="rnn_tanh", recurrence="self").num_units
    20
    >>> prior.to_dict()["parameters"]
    {'units': 20, 'm': 2, 'orientation': 'index'}
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: ClassVar[str]
    min_units: ClassVar[int] = 2
    deterministic: ClassVar[bool] = False
    # Whether `sample` takes it where no priors are named; what such calls drew before stays as it was.
    in_turn: ClassVar[bool] = True

    def __init__(self, **parameters: Any) -> None:
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            raise in_one_sentence(type(self), error) from None

    @model_validator(mode="before")
    @classmethod
    def _plain_values(cls, parameters: Any) -> Any:
        if not isinstance(parameters, dict):
            return parameters
        return {name: plain(value) for name, value in parameters.items()}

    # ---- what each prior defines

    @property
    def num_units(self) -> int:
        """N, the number of units of every structure that is sampled."""
        return int(self.units)  # type: ignore[attr-defined]

    @property
    @abstractmethod
    def expected_edges(self) -> float:
        """Mean number of forward edges of the plain graph model, before any redraw or repair."""

    @classmethod
    @abstractmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Parameters, drawn with breadth, for a graph of the given number of units.

        Parameters
        ----------
        units : int
            At least :attr:`min_units`.
        rng : numpy.random.Generator

        Returns
        -------
        dict
            Keywords of the class; the prior that they make has :attr:`num_units` equal to ``units``.
        """

    @abstractmethod
    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, each once; units are numbered in the order of orientation.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        int64 [2, E]
            Pairs of units, in either order: :meth:`sample` turns each towards the higher number.
        """

    # ---- what a prior may define

    @classmethod
    def parameters_in(cls, space: Space, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """As :meth:`parameters_for`, which it is unless they depend on more of the space.

        Parameters
        ----------
        space : Space
        units : int
        rng : numpy.random.Generator

        Returns
        -------
        dict
            Keywords of the class.
        """
        return cls.parameters_for(units, rng)

    def cell_attributes(self) -> Mapping[str, Sequence[str | int | None]]:
        """Attributes of cells that belong to the pattern, a value a unit; None where any will do.

        They hold in the family ``cnn``; see :mod:`nnstruct.structure.units`.
        """
        return {}

    def unit_attributes(self, family: str) -> Mapping[str, Sequence[str | int | None]]:
        """Attributes of units that belong to the pattern, in any family; None where any will do.

        Parameters
        ----------
        family : str

        Returns
        -------
        mapping of str to sequence
            Those of :meth:`cell_attributes` in the family ``cnn``, none in others.
        """
        return self.cell_attributes() if family == "cnn" else {}

    def residual_edges(self, edges: np.ndarray, family: str) -> np.ndarray:
        """Which edges are residual; none, unless they belong to the pattern.

        Parameters
        ----------
        edges : int64 [2, E]
            Of one graph, each from the earlier unit to the later.
        family : str

        Returns
        -------
        bool [E]
        """
        return np.zeros(edges.shape[1], dtype=bool)

    # ---- what all priors share

    def sample(self, seed: int, *, family: str, recurrence: str = "layer") -> Structure:
        """Draw one Structure.

        Parameters
        ----------
        seed : int
            Non-negative; the same seed gives the same structure.
        family : str
            One of :data:`nnstruct.structure.families.FAMILIES`.
        recurrence : str
            Recurrent edges of a recurrent family; see :mod:`nnstruct.structure.recurrence`. Other
            families get none.

        Returns
        -------
        Structure
            Connected over its graph's edges, without dead units, with :attr:`num_units` units.
            Its ``origin`` holds ``prior``, ``parameters`` and ``seed``. It has the attributes of
            :meth:`unit_attributes`.

        Raises
        ------
        StructureError
            If no connected graph was drawn within the prior's tries.
        InvalidInputError
            If the structure would take more memory than is allowed.
        """
        seed = check_seed(seed)
        RECURRENCES[recurrence]
        keeps_state = FAMILIES[family].keeps_state
        size = _UNIT_BYTES * self.num_units + _EDGE_BYTES * self.expected_edges
        check_room(self, "the prior", size)
        pairs = self.connected_pairs(generator(seed, "prior", self.name))
        edges: np.ndarray = np.sort(pairs, axis=0)  # [2, E], each from the earlier unit to the later
        origin = self.to_dict() | {"seed": seed}
        own = self.unit_attributes(family)
        attributes = {
            name: tuple(UNIT_DEFAULTS[name] if value is None else value for value in values)
            for name, values in own.items()
        }
        if FAMILIES[family].undirected:
            arcs = np.concatenate([edges, edges[::-1]], axis=1)
            both = np.ones(arcs.shape[1], dtype=bool)
            return Structure(arcs, self.num_units, recurrent=both, family=family, origin=origin)
        residual: np.ndarray = self.residual_edges(edges, family)
        delayed: np.ndarray = np.zeros((2, 0), dtype=np.int64)
        if keeps_state:
            order = np.argsort(edges[0] * self.num_units + edges[1], kind="stable")
            edges, residual = edges[:, order], residual[order]  # as the structure will have them
            layer = longest_path_layers(edges, self.num_units)
            delayed = recurrent_edges(recurrence, edges, layer, seed=seed)
        return Structure(
            np.concatenate([edges, delayed], axis=1),
            self.num_units,
            recurrent=np.repeat([False, True], [edges.shape[1], delayed.shape[1]]),
            family=family,
            attributes=attributes,
            origin=origin,
            residual=np.concatenate([residual, np.zeros(delayed.shape[1], dtype=bool)]),
        )

    def connected_pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one connected graph, as :meth:`pairs` gives them.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        int64 [2, E]

        Raises
        ------
        StructureError
            If the graph is not connected. A :class:`RedrawnPrior` draws up to ``tries`` graphs first.
        """
        pairs = self.pairs(rng)
        if components(pairs, self.num_units).any():
            raise StructureError("graph", "be connected", f"a disconnected graph from {self!r}")
        return pairs

    @classmethod
    def draw(cls, space: Space, rng: np.random.Generator) -> Self:
        """Draw parameters whose structures fit into a Space.

        The number of units is uniform in the space's range, as far as ``max_edges`` lets a
        connected graph of that size be; the other parameters come from :meth:`parameters_in`, and
        are drawn again where the expected number of edges exceeds ``max_edges``.

        Parameters
        ----------
        space : Space
        rng : numpy.random.Generator

        Returns
        -------
        Prior
            Of this class; its :attr:`expected_edges` are within the bound.

        Raises
        ------
        InvalidInputError
            If the space leaves this prior no parameters.
        """
        fewest, most = max(space.units[0], cls.min_units), space.units[1]
        if space.max_edges is not None:
            most = min(most, space.max_edges + 1)
        for _ in range(DRAWS if fewest <= most else 0):
            units = int(rng.integers(fewest, most + 1))
            check_room(units, "units", _UNIT_BYTES * units)
            prior = cls(**cls.parameters_in(space, units, rng))
            if space.max_edges is None or prior.expected_edges <= space.max_edges:
                return prior
        raise InvalidInputError(
            "space", f"leave room for the prior {cls.name!r}", space, "Allow more units or more edges."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values from which :meth:`from_dict` makes an equal prior."""
        return {"prior": self.name, "parameters": self.model_dump(mode="json")}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Prior:
        """The prior that :meth:`to_dict` wrote, or that a sampled structure's ``origin`` names.

        Parameters
        ----------
        data : mapping
            ``prior``, its name, and ``parameters``; a ``seed`` beside them is passed over. The origin of a
            structure that names no ``edition`` is from before there were any, and so is the prior.

        Returns
        -------
        Prior

        Raises
        ------
        InvalidInputError
            If ``prior`` is missing, a key is unknown, or a parameter breaks its rule.

        Examples
        --------
        >>> from nnstruct.priors import ErdosRenyi, Prior
        >>> structure = ErdosRenyi(units=12, p=0.4).sample(7, family="mlp")
        >>> again = Prior.from_dict(structure.origin).sample(structure.origin["seed"], family="mlp")
        >>> again == structure
        True
        """
        unknown = sorted(set(data) - {"prior", "parameters", "seed"})
        if unknown or "prior" not in data:
            raise InvalidInputError("a prior's data", "hold 'prior' and 'parameters'", dict(data))
        parameters = dict(data.get("parameters", {}))
        if "seed" in data and "edition" in PRIORS[data["prior"]].model_fields:
            parameters.setdefault("edition", 1)
        return load_prior(data["prior"], **parameters)


def load_prior(name: str, **parameters: Any) -> Prior:
    """A prior by its registered name.

    Parameters
    ----------
    name : str
        One of ``PRIORS``.
    **parameters
        As the prior's class takes them.

    Returns
    -------
    Prior

    Raises
    ------
    UnknownNameError
        If no prior has the name.
    InvalidInputError
        If a parameter is missing, unknown, or breaks its rule.

    Examples
    --------
    >>> from nnstruct.priors import load_prior
    >>> load_prior("erdos-renyi", units=12, p=0.3)
    ErdosRenyi(tries=100, units=12, p=0.3)
    >>> load_prior("erdos-renyi", units=12, p=1.3)
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: p must be less than or equal to 1, got 1.3. ...
    """
    return PRIORS[name](**parameters)
