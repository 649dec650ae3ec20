"""Lightning around the training of a GNN: callbacks, loggers and progress bars."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from nnstruct.errors import InvalidInputError
from nnstruct.predictors.gnn.training import Learner

_LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")


class LightningShell:
    """Takes learners through their steps inside a Trainer.

    A learner makes its own batches and steps, so that what is learned is the same as without Lightning.

    Parameters
    ----------
    callbacks : sequence of lightning.pytorch.Callback
    logger : lightning.pytorch.loggers.Logger or None
    progress : bool
        Whether to show a progress bar.
    """

    def __init__(self, callbacks: Sequence[Any], logger: Any, progress: bool) -> None:
        self.callbacks, self.logger, self.progress = list(callbacks), logger, progress

    def __call__(self, stage: str, learner: Learner) -> None:
        """Take all steps, or those before a callback ends the training.

        Parameters
        ----------
        stage : str
        learner : Learner
        """
        with _quiet():
            trainer = Trainer(
                max_epochs=1,
                accelerator="gpu" if learner.device.type == "cuda" else "cpu",
                devices=1,
                logger=self.logger if self.logger is not None else False,
                callbacks=self.callbacks,
                enable_checkpointing=False,
                enable_model_summary=False,
                enable_progress_bar=self.progress,
                log_every_n_steps=1,
            )
            trainer.fit(_Steps(stage, learner), train_dataloaders=range(learner.course.steps))


def logger_of(given: Any) -> Any:
    """A logger of Lightning from what a user hands over.

    Parameters
    ----------
    given : lightning.pytorch.loggers.Logger, str, Path or None
        A folder stands for TensorBoard.

    Returns
    -------
    lightning.pytorch.loggers.Logger or None

    Raises
    ------
    InvalidInputError
        If it is something else, or TensorBoard is asked for and not installed.
    """
    if given is None or isinstance(given, Logger):
        return given
    if not isinstance(given, str | Path):
        raise InvalidInputError("logger", "be a logger of Lightning, or a folder for TensorBoard", given)
    try:
        return TensorBoardLogger(given, name=None)
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            "logger", "be a logger of Lightning where TensorBoard is not installed", str(given),
            "pip install tensorboard brings it.",
        ) from error  # fmt: skip


class _Steps(LightningModule):
    """A module whose batches are numbers of steps, and whose steps are a learner's."""

    def __init__(self, stage: str, learner: Learner) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.stage, self.learner = stage, learner

    def training_step(self, batch: Any, index: int) -> None:
        loss = self.learner.step().mean()
        self.log(f"{self.stage}_loss", loss, prog_bar=True, batch_size=self.learner.course.batch_size)
        # Lightning counts steps by those of an optimiser it knows.
        self.optimizers().step()  # type: ignore[union-attr]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0)


@contextmanager
def _quiet() -> Iterator[None]:
    # Lightning reports devices and advises workers at each fit; neither helps here.
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
