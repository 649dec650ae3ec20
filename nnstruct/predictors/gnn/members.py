"""Members that learn from labelled graphs, and before that from what a teacher says of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.encode import GraphEncoder
from nnstruct.encode.packed import PackedGraphs
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import FittedState
from nnstruct.random import derive_seed
from nnstruct.structure import Structure

if TYPE_CHECKING:
    from nnstruct.predictors.gnn.network import NetworkShape
    from nnstruct.predictors.gnn.training import Learner, LearningCourse

# Steps of the optimiser and passes over the structures, at least, where nothing else is asked for.
LEAST_STEPS, LEAST_EPOCHS = 500, 20
# The lessons of a teacher: steps, graphs a step, and by how much the rate falls for the labels afterwards.
LESSON_STEPS, LESSON_GRAPHS = 300, 128
LABEL_STEPS, LABEL_RATE = 200, 0.25
# Held-out labels that fix the line from a score to a label; where there are fewer, all labels do.
_FEWEST = 10
_TINY = 1e-12

# What takes a learner through its steps; it is told ``lessons`` or ``labels``.
Shell = Callable[[str, "Learner"], None]


@dataclass(frozen=True)
class MemberSettings:
    """What decides how members learn; see :class:`nnstruct.predictors.GNN` for the meaning of each."""

    hidden: int = 32
    layers: int = 4
    layer: str = "bidirectional"
    loss: str = "squared"
    contract: bool = True
    max_epochs: int | None = None
    batch_size: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 0.01
    dropout: float = 0.1
    normalise: bool = False
    device: str = "cpu"
    seed: int = 0
    share_of_steps: float = 1.0


class GraphMembers:
    """M networks of one shape that learn in one pass, each from its own labels.

    Parameters
    ----------
    settings : MemberSettings

    Attributes
    ----------
    encoder : GraphEncoder
    net : StructureNet
        All of them, on the CPU.
    line : float64 [M, 2]
        Intercept and slope from a member's score to a label.
    """

    def __init__(self, settings: MemberSettings) -> None:
        self.settings = settings

    def fit(
        self,
        structures: Sequence[Structure],
        target: np.ndarray,
        weight: np.ndarray,
        others: Sequence[Structure] = (),
        lessons: np.ndarray | None = None,
        shell: Shell | None = None,
        held_out: np.ndarray | None = None,
    ) -> GraphMembers:
        """Learn.

        Parameters
        ----------
        structures : sequence of Structure, length n
        target : float64 [n], or [M, n] where members learn other values of the same labels
        weight : float64 [M, n]
            Zero where a member does not learn from a label; no row is zero.
        others : sequence of Structure, length u
            Further structures.
        lessons : float64 [M, u], optional
            What each member's teacher says of them. Members learn from it first.
        shell : callable, optional
            Takes a learner through its steps; it is told ``lessons`` or ``labels`` first.
        held_out : float64 [M, n], optional
            What labels count by which the best weights of each member are told; otherwise the last are kept.

        Returns
        -------
        GraphMembers
            Itself.
        """
        import torch

        from nnstruct.predictors.gnn.losses import RANKING
        from nnstruct.predictors.gnn.network import StructureNet
        from nnstruct.predictors.gnn.training import Learner, ask, run_through

        own = self.settings
        taught = lessons is not None and len(others) > 0
        self.encoder = GraphEncoder(contract=own.contract).fit([*structures, *others])
        graphs = self.encoder.pack(structures)
        share = weight / weight.sum(axis=1, keepdims=True)
        target = np.broadcast_to(target, weight.shape)
        centre = (share * target).sum(axis=1)  # [M]
        spread = np.sqrt((share * (target - centre[:, None]) ** 2).sum(axis=1))
        spread[~(spread > _TINY * np.maximum(1.0, np.abs(centre)))] = 1.0
        self.typical = float(np.diff(graphs.unit_start).mean())
        self.delayed = _has_delayed(graphs)
        drawn = torch.Generator().manual_seed(derive_seed(own.seed, "weights") % 2**63)
        packed = self.encoder.pack(others) if taught else None
        if packed is not None:
            self.delayed = self.delayed or _has_delayed(packed)
        net = StructureNet.drawn(self._shape(len(weight)), self.typical, drawn).to(_device(own.device))

        run = shell or run_through

        def standard(values: np.ndarray) -> np.ndarray:
            return (values - centre[:, None]) / spread[:, None]

        course = self._course(len(structures), int((weight > 0).any(axis=0).sum()))
        if packed is not None and lessons is not None:
            first = replace(
                course,
                steps=max(1, round(own.share_of_steps * LESSON_STEPS)),
                batch_size=LESSON_GRAPHS,
                dropout=0.0,
                loss="squared",
                seed=derive_seed(own.seed, "lessons"),
            )
            # A teacher far from every label must not draw the network there.
            told = np.clip(standard(lessons), -8.0, 8.0)
            learner = Learner(net, packed, told, np.ones_like(told), first)
            run("lessons", learner)
            net = learner.net
            if own.max_epochs is None:
                course = replace(course, steps=max(1, round(own.share_of_steps * LABEL_STEPS)))
            course = replace(course, learning_rate=LABEL_RATE * own.learning_rate)
        balanced = share * len(structures)
        learner = Learner(net, graphs, standard(target), balanced, course, held_out)
        run("labels", learner)
        self.net = learner.net.to("cpu")
        self.line = np.stack([centre, spread], axis=1)
        if own.loss in RANKING:
            self.line = _lines(ask(self.net, graphs)[..., 0], target, weight)
        return self

    def predict(self, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
        """What each member says.

        Parameters
        ----------
        structures : sequence of Structure, length m

        Returns
        -------
        mean, variance : float64 [M, m]
            In units of the labels, and their square; the variance is NaN where members predict none.
        """
        from nnstruct.predictors.gnn.losses import LOG_VARIANCE
        from nnstruct.predictors.gnn.training import ask

        said = ask(self.net, self.encoder.pack(structures))
        start, slope = self.line[:, :1], self.line[:, 1:]
        mean = start + slope * said[..., 0]
        if said.shape[2] == 1:
            return mean, np.full(mean.shape, np.nan)
        return mean, slope**2 * np.exp(np.clip(said[..., 1], *LOG_VARIANCE))

    def subset(self, chosen: Sequence[int]) -> GraphMembers:
        """Some of the members.

        Parameters
        ----------
        chosen : sequence of int

        Returns
        -------
        GraphMembers
        """
        from nnstruct.predictors.gnn.network import StructureNet

        part = GraphMembers(self.settings)
        part.encoder, part.typical, part.delayed = self.encoder, self.typical, self.delayed
        rows = list(chosen)
        weights = {name: one[rows].contiguous() for name, one in self.net.weights.items()}
        part.net = StructureNet(self._shape(len(rows)), weights, self.typical)
        part.line = self.line[rows]
        return part

    def state(self) -> FittedState:
        """What :meth:`restore` needs.

        Returns
        -------
        FittedState
        """
        values, arrays = self.encoder.state()
        arrays = {f"encoder.{name}": array for name, array in arrays.items()}
        arrays |= {f"net.{name}": one.numpy() for name, one in self.net.weights.items()}
        told = {
            "encoder": values, "typical": self.typical, "delayed": self.delayed,
            "line": self.line.tolist(),
        }  # fmt: skip
        return FittedState(told, arrays)

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> GraphMembers:
        """Bring back what :meth:`state` told of.

        Parameters
        ----------
        values, arrays : mappings

        Returns
        -------
        GraphMembers
            Itself.

        Raises
        ------
        ValueError, KeyError, InvalidInputError
            If they are not whole.
        """
        from nnstruct.predictors.gnn.network import StructureNet

        self.encoder = GraphEncoder.from_state(values["encoder"], _with_prefix(arrays, "encoder."))
        self.typical, self.delayed = float(values["typical"]), bool(values["delayed"])
        self.line = np.array(values["line"], dtype=np.float64)  # [M, 2]
        if self.line.ndim != 2 or self.line.shape[1] != 2 or not np.isfinite(self.line).all():
            raise ValueError(f"the members' lines are no two finite numbers each, but {self.line.shape}")
        shape = self._shape(len(self.line))
        self.net = StructureNet.from_arrays(shape, _with_prefix(arrays, "net."), self.typical)
        return self

    def _shape(self, members: int) -> NetworkShape:
        from nnstruct.predictors.gnn.network import NetworkShape

        own = self.settings
        nodes, _, overall = self.encoder.widths
        outputs = 2 if own.loss == "gaussian" else 1
        return NetworkShape(
            nodes, overall, own.hidden, own.layers, members, own.layer, self.delayed, outputs, own.normalise
        )

    def _course(self, labels: int, used: int) -> LearningCourse:
        from nnstruct.predictors.gnn.training import LearningCourse

        own = self.settings
        batches = math.ceil(used / own.batch_size)
        steps = max(LEAST_STEPS, LEAST_EPOCHS * batches)
        if own.max_epochs is not None:
            steps = own.max_epochs * batches
        steps = max(1, round(own.share_of_steps * steps))
        return LearningCourse(
            steps, own.batch_size, own.learning_rate, own.weight_decay, own.dropout, own.loss,
            derive_seed(own.seed, "labels"),
        )  # fmt: skip


def _has_delayed(graphs: PackedGraphs) -> bool:
    counts = np.diff(graphs.first)
    return bool(counts[2::4].any())


def _device(name: str) -> str:
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        hint = "PyTorch finds no GPU here; device='auto' takes one where there is one."
        raise InvalidInputError("device", "be 'cpu' or 'auto' on this machine", name, hint)
    return ("cuda" if there else "cpu") if name == "auto" else name


def _lines(score: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The line of least squares from each member's scores [M, n] to its labels [M, n], never falling."""
    lines = np.empty((len(score), 2))
    for member, (said, goal, share) in enumerate(zip(score, target, weight, strict=True)):
        unseen = (share == 0.0) & (weight > 0).any(axis=0)
        used = unseen.astype(float) if unseen.sum() >= _FEWEST else share
        middle, level = np.average(said, weights=used), np.average(goal, weights=used)
        away = said - middle
        slope = max(0.0, float(used @ (away * (goal - level)) / max(used @ away**2, _TINY)))
        lines[member] = level - slope * middle, slope
    return lines


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
