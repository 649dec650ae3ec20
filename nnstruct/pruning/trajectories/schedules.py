"""Schedules: when to prune, when to train, and from which weights.

References
----------
J. Frankle, M. Carbin, The lottery ticket hypothesis: finding sparse, trainable neural networks (2019),
arXiv:1803.03635. M. Zhu, S. Gupta, To prune, or not to prune (2017), arXiv:1710.01878.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from nnstruct.checks import check_choice, check_integer, check_number, check_share, is_integer, plain
from nnstruct.errors import InvalidInputError
from nnstruct.record import TrainConfig

SCHEDULES = ("one-shot", "iterative", "gradual", "rewind")


@dataclass(frozen=True)
class Schedule:
    """How pruning and training follow each other.

    Parameters
    ----------
    schedule : {"iterative", "one-shot", "gradual", "rewind"}
        ``one-shot``: each density from the dense network. ``iterative``: each from the one before, with
        its re-trained weights. ``gradual``: each from the dense network, pruned by and by while it is
        re-trained, with a density that falls cubically (Zhu and Gupta, 2017). ``rewind``: as
        ``iterative``, but what is left goes back to its values at an early epoch of the dense training
        (Frankle and Carbin, 2019).
    pretrain : int, optional
        Epochs of the dense network before anything is pruned; as many as the config says by default.
        0 takes the network as it is: fresh, to prune at initialisation, or trained elsewhere.
    retrain : int or sequence of int, optional
        Epochs after each pruning, the same or one for each density; as many as the config says by
        default. 0 for none.
    patience : int, optional
        Makes the re-training variable: it stops when the validation accuracy has not risen for so
        many epochs, and takes the best epoch's weights.
    rewind_epoch : int
        For ``rewind``; 0 for the initial values.
    prune_share : float
        For ``gradual``: share of the re-training at which the density is reached.
    finish : int
        Where a method prunes while it trains: epochs that follow with the masks that it has left. They take
        little time where few weights are left.
    retrain_rate : float, optional
        Learning rate of the re-training and of ``finish``; the config's by default. Networks with few weights
        learn best at a higher one than dense networks. A method that trains on the way does so at the
        config's.
    """

    schedule: str = "iterative"
    pretrain: int | None = None
    retrain: int | Sequence[int] | None = None
    patience: int | None = None
    rewind_epoch: int = 0
    prune_share: float = 0.7
    finish: int = 0
    retrain_rate: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))

    def to_dict(self) -> dict[str, Any]:
        """JSON values that name the schedule and its settings."""
        settings = asdict(self)
        # These came later; files from before do not have them.
        for name in ("finish", "retrain_rate"):
            if settings[name] == getattr(Schedule, name):
                del settings[name]
        if isinstance(self.retrain, Sequence):
            settings["retrain"] = list(self.retrain)
        return settings

    def check(self, densities: Sequence[float], config: TrainConfig) -> None:
        """Raise an error where a setting breaks its rule.

        Parameters
        ----------
        densities : sequence of float
            Those of the trajectory; only how many there are counts.
        config : TrainConfig
            Its epochs stand for what the schedule leaves open.

        Raises
        ------
        InvalidInputError
            If a setting breaks its rule.
        """
        check_choice(self.schedule, "schedule", SCHEDULES)
        pretrain = self.pretraining(config)
        epochs = {"pretrain": pretrain, "rewind_epoch": self.rewind_epoch, "finish": self.finish}
        for name, value in epochs.items():
            check_integer(value, name, low=0, rule="be an integer, at least 0")
        if self.patience is not None:
            check_integer(self.patience, "patience", rule="be a positive integer or None")
        budgets = self.budgets(len(densities), config)
        if any(not is_integer(value) or value < 0 for value in budgets):
            raise InvalidInputError("retrain", "hold integers, at least 0", budgets)
        if self.schedule == "gradual" and 0 in budgets:
            raise InvalidInputError("retrain", "be at least 1 to prune by and by", budgets)
        check_share(self.prune_share, "prune_share", ends="(]")
        if self.retrain_rate is not None:
            check_number(self.retrain_rate, "retrain_rate", low=0, open_low=True)
        if self.rewind_epoch > pretrain:
            raise InvalidInputError("rewind_epoch", f"be at most pretrain, {pretrain}", self.rewind_epoch)

    def pretraining(self, config: TrainConfig) -> int:
        """Epochs of the dense network before anything is pruned.

        Parameters
        ----------
        config : TrainConfig
            Its epochs are the default.

        Returns
        -------
        int
        """
        return config.epochs if self.pretrain is None else self.pretrain

    def budgets(self, steps: int, config: TrainConfig) -> list[int]:
        """Epochs after each pruning.

        Parameters
        ----------
        steps : int
            How many densities there are.
        config : TrainConfig
            Its epochs are the default.

        Returns
        -------
        list of int
            One for each density.

        Raises
        ------
        InvalidInputError
            If ``retrain`` is a list of another length.
        """
        if isinstance(self.retrain, str) or not isinstance(self.retrain, Sequence):
            return [config.epochs if self.retrain is None else self.retrain] * steps
        if len(self.retrain) != steps:
            raise InvalidInputError("retrain", f"hold one number for each of {steps} densities", self.retrain)
        return list(self.retrain)
