"""Networks that follow a differential equation in equal steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS, Probability
from nnstruct.priors.editions import EditedPrior
from nnstruct.priors.layers import MOST_LAYERS, block_edges, identity_edges, reach_every_unit
from nnstruct.structure.space import Space
from nnstruct.structure.units import (
    CONTRACTION,
    EXPANSION,
    GRADIENT_FLOW,
    HAMILTONIAN,
    NEURON,
    NEURON_CONTRACTION,
    NEURON_EXPANSION,
    NEURON_GRADIENT_FLOW,
    NEURON_MOMENTUM,
    NEURON_POSITION,
)

# Those that are drawn.
_FLOWS = {"gradient-flow": GRADIENT_FLOW, "hamiltonian": HAMILTONIAN}
# The roles of states behind a step.
_STATES = ("flow", "position", "momentum", "expansion", "contraction")


@PRIORS.register("discretised-ode")
class DiscretisedODE(EditedPrior):
    """A state that steps of an equation carry on: ``x + h f(x)``, the weight of x being one.

    ``lift`` units feed the first state of ``width`` units; each of ``steps`` steps leads to a new
    state, a residual edge from each unit to its like. ``field`` units stand between two states:

    - ``gradient-flow``, x' = x - h K^T sigma(K x + b): a field unit feeds those units of the new
      state whose old values it sees, by the same weights, since one K serves both ways; the step is
      h <= 2 / ||K||^2, so that no two states are brought further apart.
    - ``hamiltonian``: the state's halves are positions y and momenta z, and one moves after the other:
      y' = y + h L^T sigma(L z + d), then z' = z - h K^T sigma(K y' + b), the symplectic Euler method.
    - ``expand-contract``: steps x + K^T sigma(K x + b) / ||K||^2, which can double a distance, in turn with
      steps x - (x + K^T sigma(K x + b) / ||K||^2) / 2, which halve every distance at least; the last one
      contracts. So the chain brings no two states further apart, though half of its steps may. The paper
      contracts by x - h K^T sigma(K x + b) with leaky slopes and an orthogonal K, which is the same step but
      for a shift; here it holds for every K, sparse ones too, and throughout training.

    ``tied`` steps in a row share one K (with its b); where all do, the equation does not depend on time. The
    attributes ``operator`` and ``tie`` say so; see :mod:`nnstruct.modules.ties`. Gated recurrent units
    have no such steps: there the edges are residual, and all weights are their own.

    In the family ``cnn`` a unit is a step by itself: take no field units. It gets the operator of the flow,
    whose K couples its channels, and a residual chain of its own; with field units a state is the sum of
    the last one and of the fields' maps. A :class:`nnstruct.Space` of cells has to name the flow among its
    operators; where it does not, a step gets any of those that it names, so that the structure has the
    chains of the equation and does not follow it, and its ties share nothing. Neurons without field units
    are copied from state to state.

    :meth:`draw` takes one of the first two flows, a width uniform in 2..n/4, up to twice as many field
    units, the most steps that the units allow, one K for all steps in half of the cases, and a density
    uniform in 0.1..0.8. In the family ``cnn`` it takes no field units, and widths from 1.

    Parameters
    ----------
    lift, width, steps : int
        At least 1. With field units a Hamiltonian flow has an even width.
    field : int
        At least 0; a Hamiltonian flow has none, or at least 2.
    flow : {"gradient-flow", "hamiltonian", "expand-contract"}
    tied : int
        At least 1; 1 by default, a K for each step. With 2 an expansion and the contraction behind it share
        one, where the number of steps is even.
    density : float
        Probability that an entry of K is not zero, in [0, 1]; each field unit sees one unit at
        least, and each unit of the state (of the half) is seen.
    edition : int
        In edition 1 all edges have weights of their own, the two halves of a Hamiltonian state move at
        once, and without field units a step couples the units of a state, each pair with probability
        ``density`` alike in both directions.

    References
    ----------
    Celledoni, Murari, Owren, Schoenlieb and Sherry, "Dynamical systems' based neural networks",
    SIAM Journal on Scientific Computing 45, 2023; Haber and Ruthotto, "Stable architectures for deep
    neural networks", Inverse Problems 34, 2018.

    Examples
    --------
    >>> from nnstruct.priors import DiscretisedODE
    >>> prior = DiscretisedODE(lift=1, width=2, steps=2, field=0, flow="gradient-flow", density=0)
    >>> structure = prior.sample(0, family="cnn")
    >>> structure.forward_edges.T.tolist()
    [[0, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, 6]]
    >>> structure.attributes["operator"][-1]
    'gradient-flow3x3'
    """

    name: ClassVar[str] = "discretised-ode"
    min_units: ClassVar[int] = 3

    lift: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    steps: Annotated[int, Field(ge=1)]
    field: Annotated[int, Field(ge=0)]
    flow: Literal["gradient-flow", "hamiltonian", "expand-contract"]
    tied: Annotated[int, Field(ge=1)] = 1
    density: Probability = 1.0

    @model_validator(mode="after")
    def _two_halves(self) -> Self:
        if self.flow == "hamiltonian" and self.field:
            if self.width % 2:
                raise InvalidInputError(
                    "width", "be even for a Hamiltonian flow with field units", self.width
                )
            if self.field < 2:
                raise InvalidInputError("field", "be 0 or at least 2 for a Hamiltonian flow", self.field)
        if self.flow == "expand-contract" and self.edition == 1:
            raise InvalidInputError("flow", "be one of the two that edition 1 has", self.flow)
        return self

    @property
    def num_units(self) -> int:
        """N: the lifting units, the states, and the field units between them."""
        return self.lift + self.width * (self.steps + 1) + self.field * self.steps

    @property
    def expected_edges(self) -> float:
        """Edges into the first state, one a unit and step, and the entries of K times the density."""
        seen = self.width // 2 if self.flow == "hamiltonian" else self.width
        alone = self.width * (self.width - 1) if self.edition == 1 else 0
        coupling = 2 * self.field * seen if self.field else alone
        return self.width * (self.lift + self.steps) + self.steps * self.density * coupling

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Flow, sizes, ties and density as the class describes them."""
        return cls._parameters(units, rng, cells=False)

    @classmethod
    def parameters_in(cls, space: Space, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """As :meth:`parameters_for`, without field units and with a flow of the space for cells."""
        if space.family != "cnn":
            return cls.parameters_for(units, rng)
        drawn = cls._parameters(units, rng, cells=True)
        allowed = [flow for flow, operator in _FLOWS.items() if operator in space.operators]
        return drawn | ({"flow": str(rng.choice(allowed))} if allowed else {})

    @classmethod
    def _parameters(cls, units: int, rng: np.random.Generator, *, cells: bool) -> dict[str, Any]:
        flow = str(rng.choice(list(_FLOWS)))
        widest = max(1, units // 4)
        narrowest = max(1 if cells else 2, units // MOST_LAYERS)
        width = int(rng.integers(min(widest, narrowest), widest + 1))
        even = width + width % 2 if flow == "hamiltonian" else width
        fewest, most = (2 if flow == "hamiltonian" else 1), min(2 * even, units - 1 - 2 * even)
        field = 0
        if not cells and fewest <= most:
            width, field = even, int(rng.integers(fewest, most + 1))
        elif not cells and units > 3:
            flow, width, field = "gradient-flow", 1, 1
        steps = (units - 1 - width) // (width + field)
        return {
            "lift": units - width * (steps + 1) - field * steps,
            "width": width,
            "steps": steps,
            "field": field,
            "flow": flow,
            "tied": steps if rng.random() < 0.5 else int(rng.integers(1, steps + 1)),
            "density": rng.uniform(0.1, 0.8),
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, int64 [2, E]."""
        if self.edition > 1 and self.flow == "hamiltonian" and self.field:
            return self._symplectic_pairs(rng)
        state = self.lift + np.arange(self.width)
        found = [block_edges(np.arange(self.lift), state, 1.0, rng)]
        for step in range(self.steps):
            if step % self.tied == 0:
                seen, fed = self._wiring(rng)
            between = state[-1] + 1 + np.arange(self.field)
            after = state + self.width + self.field
            found.append(identity_edges(state, after))
            if self.field:
                found += [_through(seen, state, between), _through(fed, between, after)]
            else:
                found.append(_through(seen, state, after))
            state = after
        return np.concatenate(found, axis=1)

    def _symplectic_pairs(self, rng: np.random.Generator) -> np.ndarray:
        """Edges of steps that move the positions, then the momenta by the new positions."""
        half, slow = self.width // 2, self.field // 2
        fast = self.field - slow
        state = self.lift + np.arange(self.width)
        found = [block_edges(np.arange(self.lift), state, 1.0, rng)]
        y, z, end = state[:half], state[half:], self.lift + self.width
        for step in range(self.steps):
            if step % self.tied == 0:
                first, second = self._kernel(fast, half, rng), self._kernel(slow, half, rng)
            for kernel, still in ((first, "z"), (second, "y")):
                seen, old = (z, y) if still == "z" else (y, z)
                between = end + np.arange(len(kernel))
                new = end + len(kernel) + np.arange(half)
                found += [identity_edges(old, new), _through(kernel.T, seen, between)]
                found.append(_through(kernel, between, new))
                y, z = (new, z) if still == "z" else (y, new)
                end += len(kernel) + half
        return np.concatenate(found, axis=1)

    def _places(self) -> list[tuple[str, int]]:
        """Each unit's role and its label: those that tie the steps."""
        half, slow = self.width // 2, self.field // 2
        hamiltonian = self.flow == "hamiltonian"
        count = half if hamiltonian else self.width
        found = [("lift", 0)] * self.lift
        found += [("state", place % max(count, 1) + 1) for place in range(self.width)]
        for step in range(self.steps):
            start = count + step // self.tied * self.field + 1
            field = [("field", start + place) for place in range(self.field)]
            if hamiltonian and self.field:
                fast = self.field - slow
                found += field[:fast] + [("position", place + 1) for place in range(half)]
                found += field[fast:] + [("momentum", place + 1) for place in range(half)]
            else:
                found += field + [(self._role(step), place + 1) for place in range(self.width)]
        return found

    def _role(self, step: int) -> str:
        """What the states behind a step are called."""
        if self.flow != "expand-contract":
            return "flow"
        return "contraction" if (self.steps - step) % 2 else "expansion"

    def unit_attributes(self, family: str) -> Mapping[str, Sequence[str | int | None]]:
        """The flows and the ties that the equation asks for."""
        if self.edition == 1 or family not in ("mlp", "rnn_tanh", "rnn_relu"):
            return super().unit_attributes(family)
        operators = {
            "flow": NEURON_GRADIENT_FLOW, "position": NEURON_POSITION, "momentum": NEURON_MOMENTUM,
            "expansion": NEURON_EXPANSION, "contraction": NEURON_CONTRACTION,
        }  # fmt: skip
        roles, labels = zip(*self._places(), strict=True)
        return {"operator": tuple(operators.get(role, NEURON) for role in roles), "tie": labels}

    def residual_edges(self, edges: np.ndarray, family: str) -> np.ndarray:
        """From each unit of a state to its like; none where a cell is a step by itself."""
        if self.edition == 1:
            return super().residual_edges(edges, family)
        if not self.field and family == "cnn":
            return super().residual_edges(edges, family)
        roles = np.array([role for role, _ in self._places()])
        states = np.isin(roles, ["state", *_STATES])
        return states[edges[0]] & states[edges[1]]

    def _wiring(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """What is seen, bool [width, field], and what is fed, bool [field, width].

        Without field units the first is the coupling of states, bool [width, width].
        """
        if not self.field:
            if self.edition > 1:
                return np.zeros((self.width, self.width), dtype=bool), np.zeros((0, self.width), dtype=bool)
            upper = np.triu(rng.random((self.width, self.width)) < self.density, 1)
            return upper | upper.T, upper[:0]
        if self.flow != "hamiltonian":
            kernel = self._kernel(self.field, self.width, rng)
            return kernel.T, kernel
        half, positions = self.width // 2, self.field // 2
        first = self._kernel(positions, half, rng), np.zeros((positions, half), dtype=bool)
        second = (
            np.zeros((self.field - positions, half), dtype=bool),
            self._kernel(self.field - positions, half, rng),
        )
        seen = np.block([[*first], [*second]])  # [field, width]
        fed = np.block([[*first[::-1]], [*second[::-1]]])
        return seen.T, fed

    def _kernel(self, rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
        """Where K is not zero, bool [rows, columns]: once at least in each row and column."""
        kernel = rng.random((rows, columns)) < self.density
        reach_every_unit(kernel, rng)
        return kernel

    def cell_attributes(self) -> Mapping[str, Sequence[str | int | None]]:
        """States sum; their operator is the flow, or the identity where field units stand between."""
        operator = "identity" if self.field else _FLOWS.get(self.flow)
        start: tuple[str | int | None, ...] = (None,) * (self.lift + self.width)
        step: tuple[str | int | None, ...] = (None,) * self.field
        found: dict[str, Sequence[str | int | None]] = {
            "operator": start + (*step, *((operator,) * self.width)) * self.steps,
            "join": start + (*step, *(("sum",) * self.width)) * self.steps,
        }
        if self.edition > 1 and self.field:
            states = np.isin([role for role, _ in self._places()], _STATES)
            found = {
                "operator": tuple("identity" if state else None for state in states),
                "join": tuple("sum" if state else None for state in states),
            }
        if not self.field and self.flow == "expand-contract":
            steps = [
                EXPANSION if self._role(step) == "expansion" else CONTRACTION for step in range(self.steps)
            ]
            found["operator"] = start + tuple(name for name in steps for _ in range(self.width))
        if self.edition > 1 and not self.field and self.tied > 1:
            runs = np.arange(self.steps) // self.tied
            labels = 1 + runs[:, None] * self.width + np.arange(self.width)
            found["tie"] = (0,) * (self.lift + self.width) + tuple(labels.ravel().tolist())
        # Positions and momenta are channels of their own.
        return found | ({"channels": (2,) * self.num_units} if operator == HAMILTONIAN else {})


def _through(joined: np.ndarray, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(joined)
    return np.stack([sources[rows], targets[columns]])
