"""Attributes of units, drawn for a structure as a Space allows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator
from nnstruct.structure import Structure
from nnstruct.structure.space import Space
from nnstruct.structure.units import HAMILTONIAN, UNIT_DEFAULTS, operator_fits

Wishes = Mapping[str, Sequence[str | int | None]]


def draw_attributes(
    structure: Structure, space: Space, *, seed: int = 0, wishes: Wishes | None = None
) -> Structure:
    """The same graph with the attributes that a Space says something of.

    - ``stage``: layers are cut into as many stages as the space has, of equally many layers.
    - ``channels``: one width for the first stage, twice that in each further one; an even one
      where a Hamiltonian block may come up, if there is any.
    - ``join``, ``operator``, ``activation``: for each unit at random, among the operators that go
      with its channels.

    What the space says nothing of stays as it is, save that with a single stage the attribute
    ``stage`` goes, and a Hamiltonian block that has got an odd width becomes the default operator.

    Parameters
    ----------
    structure : Structure
    space : Space
    seed : int
        The same seed gives the same attributes.
    wishes : mapping, optional
        As :meth:`Prior.cell_attributes` gives them for the family ``cnn``: values that units keep
        wherever the space allows them. Stages past the last become the last.

    Returns
    -------
    Structure

    Raises
    ------
    InvalidInputError
        If the structure is of another family than the space, or the seed breaks its rule.

    Examples
    --------
    >>> from nnstruct import Space, Structure
    >>> from nnstruct.priors import draw_attributes
    >>> space = Space("cnn", units=(2, 9), channels=(8, 8), stages=2, activations=["relu", "gelu"])
    >>> drawn = draw_attributes(Structure.from_layers([2, 1, 1, 1], family="cnn"), space, seed=1)
    >>> drawn.attributes["stage"], drawn.attributes["channels"], drawn.attributes["activation"]
    ((0, 0, 0, 1, 1), (8, 8, 8, 16, 16), ('relu', 'gelu', 'relu', 'relu', 'gelu'))
    """
    if structure.family != space.family:
        raise InvalidInputError("structure", f"be of the family {space.family!r}", structure.family)
    wanted = dict(wishes or {}) if space.family == "cnn" else {}
    if not space.set_attributes and not wanted:
        return structure
    drawn = _Drawing(structure, space, generator(check_seed(seed), "attributes"), wanted)
    return replace(structure, attributes=drawn.attributes)


class _Drawing:
    """Draws one attribute after the other, since operators hang on all else."""

    def __init__(self, structure: Structure, space: Space, rng: np.random.Generator, wishes: Wishes) -> None:
        self.structure, self.space, self.rng, self.wishes = structure, space, rng, wishes
        self.attributes: dict[str, tuple[Any, ...]] = dict(structure.attributes)
        if space.family == "cnn":
            self._stages()
            self._channels()
            if space.joins:
                self.attributes["join"] = self._of("join", space.joins)
            self._operators()
        if space.activations:
            self.attributes["activation"] = self._of("activation", space.activations)

    def _values(self, name: str) -> tuple[Any, ...]:
        return self.attributes.get(name, (UNIT_DEFAULTS[name],) * self.structure.num_units)

    def _wished(self, name: str) -> Sequence[str | int | None]:
        return self.wishes.get(name, (None,) * self.structure.num_units)

    def _of(self, name: str, allowed: tuple[str, ...]) -> tuple[Any, ...]:
        drawn = self.rng.integers(len(allowed), size=self.structure.num_units).tolist()
        pairs = zip(self._wished(name), drawn, strict=True)
        return tuple(wish if wish in allowed else allowed[index] for wish, index in pairs)

    def _stages(self) -> None:
        stages, layer = self.space.stages, self.structure.layer
        if stages == 1:
            self.attributes.pop("stage", None)
            return
        cut = (layer * stages // self.structure.num_layers).tolist()
        wished = self._wished("stage")
        pairs = zip(wished, cut, strict=True)
        self.attributes["stage"] = tuple(
            number if wish is None else min(int(wish), stages - 1) for wish, number in pairs
        )

    def _channels(self) -> None:
        if self.space.channels is None:
            return
        low, high = self.space.channels
        flows = (*self.space.operators, *self._wished("operator"))
        if HAMILTONIAN in flows and self.space.even_channels:
            width = 2 * int(self.rng.integers((low + 1) // 2, high // 2 + 1))
        else:
            width = int(self.rng.integers(low, high + 1))
        self.attributes["channels"] = tuple(width << stage for stage in self._values("stage"))

    def _operators(self) -> None:
        allowed, channels = self.space.operators, self._values("channels")
        if not allowed:
            if "operator" in self.attributes:
                pairs = zip(self.attributes["operator"], channels, strict=True)
                self.attributes["operator"] = tuple(
                    name if operator_fits(name, width) else UNIT_DEFAULTS["operator"] for name, width in pairs
                )
            return
        fitting = [[name for name in allowed if operator_fits(name, width)] for width in channels]
        drawn = [int(self.rng.integers(len(names))) for names in fitting]
        self.attributes["operator"] = tuple(
            wish if wish in names else names[index]
            for wish, names, index in zip(self._wished("operator"), fitting, drawn, strict=True)
        )
