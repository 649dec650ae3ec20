"""A module made ready for probing: inputs that can be varied, scores, and the states of its layers.

Symbols are discrete, but each enters a network through a linear map (its row of a table). So a sequence is
given as vectors x [T, S], one for each symbol where it is one of them and anything in between elsewhere; the
rows that they select are put in place of the table. Derivatives by x and Gaussian x are thus defined.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from nnstruct.errors import InvalidInputError
from nnstruct.modules import CleanRNN, FaithfulRNN, MaskedMLP, module_from_network
from nnstruct.network import Network
from nnstruct.random import generator
from nnstruct.tasks import Split, Task
from nnstruct.tasks.splits import part_of


class Subject(ABC):
    """A double precision copy of a module on the CPU, in evaluation mode.

    B examples, T symbols, S symbols of the task, C classes, L layers.

    Parameters
    ----------
    module : torch.nn.Module
        Copied; the caller's module stays as it is.
    task : Task
    """

    module: nn.Module

    def __init__(self, module: nn.Module, task: Task) -> None:
        self.module = copy.deepcopy(module).to("cpu", torch.float64).eval()
        self.task = task

    @abstractmethod
    def encode(self, split: Split) -> tuple[Tensor, Tensor]:
        """The inputs of a split as numbers that can be varied.

        Parameters
        ----------
        split : Split

        Returns
        -------
        x : float64 Tensor [B, ...]
            Of sequences [B, T, S], one-hot, T being the longest length; of vectors and images the inputs.
        lengths : int64 Tensor [B]
            Symbols of each sequence; of no use for vectors and images.
        """

    @abstractmethod
    def scores(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Class scores.

        Parameters
        ----------
        x : float64 Tensor [B, ...]
            As :meth:`encode` gives it, or with other values in the same shape.
        lengths : int64 Tensor [B]

        Returns
        -------
        float64 Tensor [B, C]
            Differentiable by x and by the module's parameters.

        Raises
        ------
        InvalidInputError
            If the module gives scores of another shape.
        """

    @abstractmethod
    def states(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        """Values of each layer's units.

        Parameters
        ----------
        x : float64 Tensor [B, ...]
            As :meth:`encode` gives it, or with other values in the same shape.
        lengths : int64 Tensor [B]

        Returns
        -------
        list of L float64 Tensors [B, width]
            For sequences the states at the step that is read out.
        """


class CleanSubject(Subject):
    """A :class:`nnstruct.modules.CleanRNN`; x is [B, T, S - 1], since the padding feeds nothing, or a series.

    Parameters
    ----------
    module : CleanRNN
    task : Task
        Of sequences or series.

    Raises
    ------
    InvalidInputError
        If the task has another number of symbols or channels than the module.
    """

    module: CleanRNN

    def __init__(self, module: CleanRNN, task: Task) -> None:
        super().__init__(module, task)
        inputs = len(module.input_weight) - 1
        if task.is_series and task.input_shape[1] != inputs:
            raise InvalidInputError("task", f"have series of {inputs} channels", task.input_shape[1])
        if not task.is_series and inputs + 1 != task.num_symbols:
            raise InvalidInputError("task.num_symbols", f"be {inputs + 1}", task.num_symbols)
        # The same network with every unit read out as it is.
        self._open = copy.deepcopy(self.module)
        self._open._output_places = np.arange(module.structure.num_units)
        self._open.readout = nn.Identity()  # type: ignore[assignment]

    def encode(self, split: Split) -> tuple[Tensor, Tensor]:
        if self.task.is_series:
            lengths = torch.from_numpy(np.asarray(split.lengths))
            return torch.from_numpy(split.inputs)[:, : int(lengths.max())].double(), lengths
        x, lengths = _one_hot(split, self.task)
        return x[:, :, 1:], lengths

    def scores(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self._call(self.module, x, lengths)

    def states(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        together = self._call(self._open, x, lengths)  # [B, N] in the order of layers
        return list(together.split(np.diff(self.module.layer_ends, prepend=0).tolist(), dim=1))

    @staticmethod
    def _call(module: CleanRNN, x: Tensor, lengths: Tensor) -> Tensor:
        return module(x, lengths)  # one-hot symbols are a series of their own


class FaithfulSubject(Subject):
    """A :class:`nnstruct.modules.FaithfulRNN`, which reads the padding like a symbol.

    Parameters
    ----------
    module : FaithfulRNN
    task : Task
        Of sequences.

    Raises
    ------
    InvalidInputError
        If the task has another number of symbols than the module.
    """

    module: FaithfulRNN

    def __init__(self, module: FaithfulRNN, task: Task) -> None:
        super().__init__(module, task)
        if module.embedding.num_embeddings != task.num_symbols:
            rule = f"be {module.embedding.num_embeddings}"
            raise InvalidInputError("task.num_symbols", rule, task.num_symbols)

    def encode(self, split: Split) -> tuple[Tensor, Tensor]:
        return _one_hot(split, self.task)

    def scores(self, x: Tensor, lengths: Tensor) -> Tensor:
        rows = torch.tensordot(x, self.module.embedding.weight, 1).flatten(0, 1)  # [B * T, n_0]
        symbols = torch.arange(x.shape[0] * x.shape[1]).view(x.shape[:2])
        return functional_call(self.module, {"embedding.weight": rows}, (symbols, lengths))

    def states(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        found: dict[int, Tensor] = {}
        hooks = []
        for cell in self.module.layout.cells:

            def keep(_module: nn.Module, _inputs: object, output: Tensor, target: int = cell.target) -> None:
                found[target] = found[target] + output if target in found else output  # [T, B, H]

            hooks.append(self.module.cells[cell.name].register_forward_hook(keep))
        try:
            self.scores(x, lengths)
        finally:
            for hook in hooks:
                hook.remove()
        last = lengths - 1 if self.module.corrected else torch.full_like(lengths, int(lengths.max()) - 1)
        batch = torch.arange(len(x))
        return [found[target][last, batch] for target in sorted(found)]


class VectorSubject(Subject):
    """Any module from vectors or images to scores; its layers are the submodules with own parameters."""

    def encode(self, split: Split) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(split.inputs).double(), torch.zeros(len(split), dtype=torch.int64)

    def scores(self, x: Tensor, lengths: Tensor) -> Tensor:
        scores = self.module(x)
        if scores.ndim != 2 or scores.shape != (len(x), self.task.num_outputs):
            rule = f"give scores of shape [B, {self.task.num_outputs}]"
            raise InvalidInputError("module", rule, list(scores.shape))
        return scores

    def states(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        found: list[Tensor] = []

        def keep(_module: nn.Module, _inputs: object, output: object) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                found.append(first.flatten(1))

        owners = [m for m in self.module.modules() if any(True for _ in m.parameters(recurse=False))]
        hooks = [module.register_forward_hook(keep) for module in owners]
        try:
            self.scores(x, lengths)
        finally:
            for hook in hooks:
                hook.remove()
        return found


class MLPSubject(VectorSubject):
    """A :class:`nnstruct.modules.MaskedMLP`; its layers are those of its structure, then the scores."""

    module: MaskedMLP

    def __init__(self, module: MaskedMLP, task: Task) -> None:
        super().__init__(module, task)
        # The same network with every unit read out as it is.
        self._open = copy.deepcopy(self.module)
        self._open._output_places = np.arange(module.structure.num_units)
        self._open.readout = nn.Identity()  # type: ignore[assignment]

    def states(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        together = self._open(x)  # [B, N] in the order of layers
        layers = together.split(np.diff(self.module.layer_ends, prepend=0).tolist(), dim=1)
        return [*layers, self.scores(x, lengths)]


def subject_of(module: nn.Module | Network, task: Task) -> Subject:
    """A module or Network made ready for probing on a task.

    Parameters
    ----------
    module : torch.nn.Module or Network
        Of sequences one that :func:`nnstruct.modules.build_module` made; of vectors and images any that
        gives class scores [B, C].
    task : Task

    Returns
    -------
    Subject
        Of a copy of the module.

    Raises
    ------
    InvalidInputError
        If the module does not fit the task.
    """
    if task.goal.every_step:
        raise InvalidInputError("task", "ask once an example for a module to be probed", task.kind)
    if isinstance(module, Network):
        module = module_from_network(module)
    if isinstance(module, CleanRNN | FaithfulRNN):
        if not task.is_sequence:
            rule = "hold sequences of symbols or series for a recurrent module"
            raise InvalidInputError("task", rule, task.name)
        return CleanSubject(module, task) if isinstance(module, CleanRNN) else FaithfulSubject(module, task)
    if task.is_sequence:
        raise InvalidInputError(
            "module",
            "be one that build_module made, on a task of sequences",
            type(module).__name__,
            "Other modules can be probed on tasks of vectors or images.",
        )
    return MLPSubject(module, task) if isinstance(module, MaskedMLP) else VectorSubject(module, task)


class Situation:
    """A module with the data that it is probed on.

    Parameters
    ----------
    module : torch.nn.Module or Network
    task : Task
    initial : torch.nn.Module, Network or None
        The module before training.
    samples : int
        B, examples drawn from the training split; all of them where it has fewer.
    seed : int
        With the data it decides which examples are drawn.

    Attributes
    ----------
    subject : Subject
    before : Subject or None
    x : float64 Tensor [B, ...]
    lengths : int64 Tensor [B]
    targets : Tensor [B, ...]
    """

    def __init__(
        self,
        module: nn.Module | Network,
        task: Task,
        initial: nn.Module | Network | None,
        samples: int,
        seed: int,
    ) -> None:
        self.task, self.seed = task, seed
        self.subject = subject_of(module, task)
        self.before = None if initial is None else subject_of(initial, task)
        order = generator(seed, "probe", task.fingerprint).permutation(len(task.train))
        self.batch = part_of(task.train, order[:samples])
        self.x, self.lengths = self.subject.encode(self.batch)
        self.targets = torch.from_numpy(self.batch.targets)

    @cached_property
    def states(self) -> list[Tensor]:
        """Values of each layer's units, float64 [B, width]."""
        with torch.no_grad():
            return self.subject.states(self.x, self.lengths)


def check_classes(task: Task) -> None:
    """Raise :class:`InvalidInputError` unless the task asks for a class of each example.

    Parameters
    ----------
    task : Task

    Raises
    ------
    InvalidInputError
        If it is of another kind.
    """
    if task.kind != "classification":
        raise InvalidInputError("task", "be a classification for a probe of accuracies", task.kind)


def _one_hot(split: Split, task: Task) -> tuple[Tensor, Tensor]:
    """Symbols as float64 [B, T, S] with the padding as symbol 0, and lengths; T is the longest given."""
    lengths = torch.from_numpy(np.asarray(split.lengths))
    symbols = torch.from_numpy(split.inputs)[:, : int(lengths.max())]
    return nn.functional.one_hot(symbols, int(task.num_symbols or 0)).double(), lengths
