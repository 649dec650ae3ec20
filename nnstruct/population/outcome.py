"""What a training leaves behind, before it becomes a Record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from nnstruct.modules.parameters import count_parameters
from nnstruct.record import (
    STATUS_DIVERGED,
    STATUS_FAILED,
    STATUS_OK,
    STATUS_STOPPED,
    Record,
    TrainConfig,
)
from nnstruct.structure import Structure
from nnstruct.tasks import Task


@dataclass
class Outcome:
    """Curves of one training, filled epoch by epoch, and the trained parameters.

    Attributes
    ----------
    train_loss, val_loss, val : list of float
    test, test_loss : float
    parameters : mapping of str to float32 array, by :func:`nnstruct.modules.parameter_shapes`
    kept : mapping of int to such a mapping
        Parameters after epochs that were to be kept, by the number of the epoch, from 1 on.
    stopped : bool
        Whether whoever watched the training ended it early.
    """

    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val: list[float] = field(default_factory=list)
    test: float = float("nan")
    test_loss: float = float("nan")
    parameters: dict[str, np.ndarray] = field(default_factory=dict)
    kept: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    stopped: bool = False

    def add_epoch(self, train_loss: float, val_loss: float, val: float) -> bool:
        """Append the values of an epoch, unless a loss is not finite.

        Parameters
        ----------
        train_loss : float
            Mean over the training split, in the course of the epoch.
        val_loss : float
            Mean over the validation split, after the epoch.
        val : float
            Validation metric after the epoch.

        Returns
        -------
        bool
            Whether both losses are finite. Where it is False, nothing was appended and training should stop.
        """
        if not (np.isfinite(train_loss) and np.isfinite(val_loss)):
            return False
        self.train_loss.append(train_loss)
        self.val_loss.append(val_loss)
        self.val.append(val)
        return True

    def record(
        self, structure: Structure, task: Task, config: TrainConfig, seed: int, seconds: float, engine: str
    ) -> Record:
        """The Record of this training.

        It counts as diverged unless it has a finite value for every epoch and for the test loss, or was
        stopped. Curves of a diverged or stopped training are NaN from there on, and so are its test values.

        Parameters
        ----------
        structure : Structure
        task : Task
        config : TrainConfig
        seed : int
        seconds : float
            What the training took.
        engine : str
            Name of the engine.

        Returns
        -------
        Record
        """
        complete = len(self.train_loss) == config.epochs and np.isfinite(self.test_loss)
        return Record(
            fingerprint=structure.fingerprint,
            family=structure.family,
            task=task.name,
            task_fingerprint=task.fingerprint,
            config_id=config.id,
            seed=seed,
            status=STATUS_OK if complete else STATUS_STOPPED if self.stopped else STATUS_DIVERGED,
            train_loss=_curve(self.train_loss, config.epochs),
            val_loss=_curve(self.val_loss, config.epochs),
            val=_curve(self.val, config.epochs),
            test=self.test if complete else float("nan"),
            test_loss=self.test_loss if complete else float("nan"),
            parameters=count_parameters(structure, task, config),
            seconds=seconds,
            engine=engine,
        )


def failed_record(structure: Structure, seed: int, task: Task, config: TrainConfig, reason: str) -> Record:
    """The Record of a training that no worker lived to finish: all its values are NaN.

    Parameters
    ----------
    structure : Structure
    seed : int
    task : Task
    config : TrainConfig
    reason : str
        What the workers died of.

    Returns
    -------
    Record
    """
    record = Outcome().record(structure, task, config, seed, float("nan"), "none")
    return replace(record, status=STATUS_FAILED, reason=reason)


def _curve(values: list[float], epochs: int) -> np.ndarray:
    curve = np.full(epochs, np.nan)
    curve[: len(values)] = values
    return curve
