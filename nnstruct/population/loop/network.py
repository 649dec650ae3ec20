"""A recurrent network in a compiled loop, whichever compiler made the loop."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

import numpy as np

from nnstruct.modules.parameters import initial_parameters
from nnstruct.population.epochs import Sums, run_epochs
from nnstruct.population.loop.clean_plan import CleanLayout
from nnstruct.population.loop.data import Data, counted, split_data
from nnstruct.population.loop.faithful_plan import FaithfulPlanLayout
from nnstruct.population.loop.plan import Layout
from nnstruct.population.optimisers import ADAM_BETAS, ADAM_EPSILON, AdamState
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import SPLIT_NAMES, Task

# By the names of the parameters.
NamedState = AdamState[dict[str, np.ndarray]]


class RunEpoch(Protocol):
    """A compiled loop that knows its network."""

    def __call__(
        self, training: bool, data: Data, batches: np.ndarray, starts: np.ndarray
    ) -> tuple[float, int]:
        """One pass over a split: the sum of the examples' losses, not finite once it diverges, and hits.

        ``batches`` int64 [n] holds positions, ``starts`` int64 [batches + 1] cuts them.
        """


class Preparation(NamedTuple):
    """What a compiled loop needs before its first epoch.

    Attributes
    ----------
    layout : Layout
    flat : tuple of four float32 [M]
        Parameters, gradient and both moments of Adam. The loop changes them in place.
    steps_taken : int64 [1]
        Changed in place likewise.
    batch_size : int
        Most sequences in a batch.
    longest : int
        Most symbols in a sequence.
    settings : tuple of five float
        Learning rate, clip norm, beta 1, beta 2 and epsilon of Adam.
    """

    layout: Layout
    flat: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # parameters, gradient, two moments
    steps_taken: np.ndarray  # int64 [1]
    batch_size: int
    longest: int
    settings: tuple[float, ...]  # learning rate, clip norm, beta 1, beta 2, epsilon

    @classmethod
    def of(cls, layout: Layout, parameters: np.ndarray, config: TrainConfig, longest: int) -> Preparation:
        """For a network that has learned nothing yet.

        Parameters
        ----------
        layout : Layout
        parameters : float32 [M]
            From ``layout.pack``; changed in place by the loop.
        config : TrainConfig
        longest : int
            Most symbols in a sequence of the task.

        Returns
        -------
        Preparation
            Its gradient and moments are zero.
        """
        gradient, first, second = (np.zeros_like(parameters) for _ in range(3))
        settings = (config.learning_rate, config.clip_norm, *ADAM_BETAS, ADAM_EPSILON)
        steps_taken = np.zeros(1, dtype=np.int64)
        flat = (parameters, gradient, first, second)
        return cls(layout, flat, steps_taken, config.batch_size, longest, settings)


def layout_of(structure: Structure, task: Task, config: TrainConfig) -> Layout:
    """How the structure's parameters lie in the compiled loop.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family.
    task : Task
        Of sequences.
    config : TrainConfig
        Its protocol decides.

    Returns
    -------
    Layout
    """
    if config.protocol == "clean":
        return CleanLayout(structure, task)
    return FaithfulPlanLayout(structure, task, corrected=config.protocol == "corrected")


class CompiledNetwork:
    """A network in a compiled loop: what it has learned so far, and the data that it has seen.

    Parameters
    ----------
    prepare : callable (Preparation) -> RunEpoch
        The compiled loop.
    layout : Layout
    initial : mapping of str to float32 array
        Named parameters to start from.
    task : Task
    config : TrainConfig
    state : AdamState of dicts by name, optional
        To go on with; by default nothing is learned yet.
    """

    def __init__(
        self,
        prepare: Callable[[Preparation], RunEpoch],
        layout: Layout,
        initial: dict[str, np.ndarray],
        task: Task,
        config: TrainConfig,
        state: NamedState | None = None,
    ) -> None:
        self._layout, self._initial, self._task = layout, initial, task
        longest = max(getattr(task, name).inputs.shape[1] for name in SPLIT_NAMES)
        self._prepared = Preparation.of(layout, layout.pack(initial), config, longest)
        if state is not None:
            self._prepared.steps_taken[0] = state.steps_taken
            for flat, named in zip(self._prepared.flat[2:], state.moments, strict=True):
                flat[:] = layout.pack(named)
        self._run_epoch = prepare(self._prepared)
        self._data: dict[str, Data] = {}

    def run(
        self, name: str, positions: np.ndarray, starts: np.ndarray, training: bool
    ) -> tuple[float, float]:
        """One pass over a split, as :data:`nnstruct.population.epochs.RunSplit` says.

        Parameters
        ----------
        name : {"train", "val", "test"}
        positions : int64 [n]
            Positions of the examples in the split, batch after batch.
        starts : int64 [batches + 1]
            Where each batch begins in ``positions``; the last entry is n.
        training : bool
            Whether the parameters are updated after each batch.

        Returns
        -------
        loss : float
            Sum of the examples' losses; not finite once training diverges.
        hits : float
            Examples whose class has the highest score.
        """
        return self._run_epoch(training, self._split(name), positions, starts)

    def sums(self, name: str, positions: np.ndarray, starts: np.ndarray, training: bool) -> Sums:
        """One pass over a split, as :data:`nnstruct.population.epochs.SumSplit` says.

        Parameters
        ----------
        name, positions, starts, training
            As for :meth:`run`.

        Returns
        -------
        dict of str to number or float64 array
        """
        loss, hits = self.run(name, positions, starts, training)
        return counted(self._task.goal, getattr(self._task, name), self._split(name), loss, hits)

    def _split(self, name: str) -> Data:
        if name not in self._data:
            self._data[name] = split_data(getattr(self._task, name), self._task, self._layout.symbols)
        return self._data[name]

    def parameters(self) -> dict[str, np.ndarray]:
        """Named parameters as they are now.

        Returns
        -------
        dict of str to float32 array
            As :func:`nnstruct.modules.parameter_shapes` lists them.
        """
        return self._layout.unpack(self._prepared.flat[0], self._initial)

    def state(self) -> NamedState:
        """What Adam remembers now.

        Returns
        -------
        AdamState of dict of str to float32 array
            To go on with, in another CompiledNetwork of the same layout.
        """
        nothing = {name: np.zeros_like(value) for name, value in self._initial.items()}
        first, second = (self._layout.unpack(flat, nothing) for flat in self._prepared.flat[2:])
        return AdamState(int(self._prepared.steps_taken[0]), first, second)


def train_with(
    prepare: Callable[[Preparation], RunEpoch],
    structure: Structure,
    task: Task,
    config: TrainConfig,
    seed: int,
    keep: Collection[int] = (),
) -> Outcome:
    """Train one network with a compiled loop.

    Parameters
    ----------
    prepare : callable (Preparation) -> RunEpoch
        The compiled loop.
    structure : Structure
        Of a recurrent family.
    task : Task
        Of sequences.
    config : TrainConfig
    seed : int
        Decides initial weights and batches.
    keep : collection of int
        Epochs, from 1 on, after which parameters are kept.

    Returns
    -------
    Outcome
        With the trained parameters.
    """
    initial = initial_parameters(structure, task, config, seed)
    network = CompiledNetwork(prepare, layout_of(structure, task, config), initial, task, config)
    return run_epochs(network.sums, task, config, seed, network.parameters, keep)
