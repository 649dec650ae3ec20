"""What a pruner is: a typed, frozen value that makes a network sparser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar, cast

from torch import Tensor, nn

from nnstruct.checks import check_share, plain
from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules import module_from_network
from nnstruct.modules.program.module import ProgramModule, program_module
from nnstruct.network import Network
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.pruning.masks import copy_module
from nnstruct.pruning.nnstruct_modules import as_pruned, is_own
from nnstruct.pruning.selection import largest, largest_in_each
from nnstruct.pruning.slots import Scope, slots_of
from nnstruct.pruning.training.hooks import Row
from nnstruct.pruning.workpiece import Workpiece, count_of, counts_in_each
from nnstruct.random import check_seed
from nnstruct.record import TrainConfig
from nnstruct.registry import Registry
from nnstruct.tasks import Task

PRUNERS: Registry[type[Pruner]] = Registry("pruning method")

CLASSES = ("blind", "uniform")
N = TypeVar("N", nn.Module, Network)


@dataclass(frozen=True, kw_only=True)
class Pruner(ABC):
    """A way to make a network sparser, with its options as fields.

    A method of one's own names itself and defines :meth:`apply`; registered in ``PRUNERS`` it takes
    part in :func:`prune`, the schedules, the command line and the contract tests. Most methods only
    rank the weights: see :class:`ScoringPruner`.

    Parameters
    ----------
    parameters, part, gates
        Which tensors are pruned, see :class:`nnstruct.pruning.Scope`.

    Attributes
    ----------
    name : str
    source : str
        The paper.
    needs_task : bool
        Whether the method looks at data.
    trains : bool
        Whether it trains the network on the way, so that no schedule applies to it.
    counts_channels : bool
        Whether densities are shares of the channels.
    exact : bool
        Whether ``round(density * E)`` units stay, and not as many as a pattern gives.
    regrows : bool
        Whether weights come back from zero while it trains, so that one that is kept may be zero.

    Examples
    --------
    A method of one's own, here one that keeps the weights nearest to one:

    >>> from dataclasses import dataclass
    >>> import torch
    >>> from nnstruct.pruning import ScoringPruner
    >>> @dataclass(frozen=True, kw_only=True)
    ... class NearOne(ScoringPruner):
    ...     name, source = "near-one", "no paper"
    ...
    ...     def scores(self, work):
    ...         return [-slot.total_over_gates((slot.weight.detach() - 1).abs()) for slot in work.slots]
    >>> layer = torch.nn.Linear(3, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[9.0, 1.1, -1.0]]))
    >>> NearOne().prune(layer, 1 / 3).weight.tolist()
    [[0.0, 1.10..., 0.0]]
    """

    name: ClassVar[str]
    source: ClassVar[str]
    needs_task: ClassVar[bool] = False
    trains: ClassVar[bool] = False
    counts_channels: ClassVar[bool] = False
    exact: ClassVar[bool] = True
    regrows: ClassVar[bool] = False

    parameters: Sequence[str] | None = None
    part: str | None = None
    gates: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))

    # ---- what each method defines

    @abstractmethod
    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Prune a workpiece in place.

        Parameters
        ----------
        work : Workpiece
        density : float
            Share to keep of the units before any pruning, or of the channels where ``counts_channels``.

        Returns
        -------
        list of dict of str to float
            A row an epoch for methods that train, as :func:`nnstruct.pruning.fit` gives them; else empty.

        Raises
        ------
        InvalidInputError
            If more would be kept than is left, or the method cannot prune such a network to such a density.
        """

    def check(self) -> None:  # noqa: B027  (an option, not a duty)
        """Raise :class:`InvalidInputError` where an option breaks its rule."""

    # ---- what all share

    @property
    def scope(self) -> Scope:
        """Which tensors are pruned."""
        return Scope(self.parameters, self.part, self.gates)

    def prune(
        self,
        network: N,
        density: float,
        *,
        task: Task | None = None,
        config: TrainConfig | None = None,
        seed: int = 0,
    ) -> N:
        """A sparser copy of a network.

        Parameters
        ----------
        network : torch.nn.Module or Network
            Left as it is.
        density : float
            Share of the units of pruning that is kept, of those before any pruning.
        task : Task, optional
            Needed by methods that look at data.
        config : TrainConfig, optional
            Of methods that train.
        seed : int

        Returns
        -------
        torch.nn.Module or Network
            As the input. Pruned weights of a module stay zero when it is trained.

        Raises
        ------
        InvalidInputError
            If an argument or option breaks its rule, or more would be kept than is left.
        """
        return cast(N, self.run(network, density, task=task, config=config, seed=seed)[0])

    def run(
        self,
        network: nn.Module | Network,
        density: float,
        *,
        task: Task | None = None,
        config: TrainConfig | None = None,
        seed: int = 0,
    ) -> tuple[nn.Module | Network, list[Row]]:
        """As :meth:`prune`, with a row an epoch for methods that train.

        Parameters
        ----------
        network, density, task, config, seed
            As for :meth:`prune`.

        Returns
        -------
        (torch.nn.Module or Network, list of dict of str to float)
            The sparser copy, and the rows of :meth:`apply`.

        Raises
        ------
        InvalidInputError
            As for :meth:`prune`.
        """
        density, seed = check_density(density), check_seed(seed)
        self.check()
        self.scope.check()
        if self.needs_task and task is None:
            raise InvalidInputError("task", f"be given for the method {self.name!r}", None)
        work = self.workpiece(network, task, config, seed)
        rows = self.apply(work, density)
        if isinstance(network, nn.Module):
            return work.module, rows
        return as_network(work.module), rows

    def workpiece(
        self, network: nn.Module | Network, task: Task | None, config: TrainConfig | None, seed: int
    ) -> Workpiece:
        """A copy of a network with a mask on every tensor in scope, ready for :meth:`apply`.

        Parameters
        ----------
        network : torch.nn.Module or Network
            Left as it is. What is masked in it is masked in the copy.
        task : Task or None
        config : TrainConfig or None
        seed : int

        Returns
        -------
        Workpiece

        Raises
        ------
        InvalidInputError
            If no tensor is in scope, or one holds a value that is not finite.
        """
        module = as_module(network)
        if is_own(module):
            as_pruned(module)
        return Workpiece(module, slots_of(module, self.scope), task, config or TrainConfig(), seed)

    def to_dict(self) -> dict[str, Any]:
        """JSON values that name the method and the options that differ from the defaults."""
        options = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in options.items()}
        return {"method": self.name, "options": plain}

    @classmethod
    def options(cls) -> dict[str, Any]:
        """The options and their defaults."""
        return asdict(cls())


@dataclass(frozen=True, kw_only=True)
class ScoringPruner(Pruner):
    """A method that ranks the units of pruning and keeps the best.

    Parameters
    ----------
    classes : {"blind", "uniform"}
        ``blind`` ranks all tensors together and keeps ``round(density * E)`` units; ``uniform`` keeps
        ``round(density * E_l)`` in each tensor l.
    """

    classes: str = "blind"

    @abstractmethod
    def scores(self, work: Workpiece) -> list[Tensor]:
        """A score for each unit of each slot; the units with the largest scores are kept.

        Parameters
        ----------
        work : Workpiece

        Returns
        -------
        list of Tensor [*unit_shape]
            One for each slot, finite wherever a unit is left.
        """

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        if self.classes not in CLASSES:
            raise InvalidInputError("classes", f"be one of {', '.join(CLASSES)}", self.classes)

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Keep the units that :meth:`chosen` names; nothing is trained, so there are no rows."""
        work.keep(self.chosen(work, density))
        return []

    def chosen(self, work: Workpiece, density: float) -> list[Tensor]:
        """Which units stay.

        Parameters
        ----------
        work : Workpiece
        density : float

        Returns
        -------
        list of bool Tensor [*unit_shape]
        """
        return self.best_of(self.scores(work), work, density)

    def best_of(self, scores: list[Tensor], work: Workpiece, density: float) -> list[Tensor]:
        """The units with the largest scores, as many as the density asks for.

        Parameters
        ----------
        scores : list of Tensor [*unit_shape]
            As :meth:`scores` gives them.
        work : Workpiece
        density : float

        Returns
        -------
        list of bool Tensor [*unit_shape]
        """
        alive = work.alive
        if self.classes == "uniform":
            return largest_in_each(scores, alive, counts_in_each(work, density))
        return largest(scores, alive, count_of(work, density))


def check_density(density: float, field: str = "density") -> float:
    """Return a share in [0, 1], or raise :class:`InvalidInputError`."""
    return check_share(density, field, ends="[]")


def as_module(network: nn.Module | Network) -> nn.Module:
    """A copy of a module, or the module of a Network."""
    if isinstance(network, nn.Module):
        return copy_module(network)
    if isinstance(network, ModuleNetwork):
        return program_module(network)
    if isinstance(network, Network):
        return module_from_network(network)
    raise InvalidInputError("network", "be a torch.nn.Module or a Network", type(network).__name__)


def as_network(module: nn.Module) -> Network:
    """The Network of a module that :func:`as_module` made of one."""
    if isinstance(module, ProgramModule):
        return extract(module)
    return module.to_network()  # type: ignore[operator]
