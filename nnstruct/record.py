"""One trained network's outcome, and the configuration that led to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

STATUS_OK = "ok"
STATUS_DIVERGED = "diverged"


class TrainConfig(BaseModel):
    """How a network is trained. Immutable; its :attr:`id` names it in a benchmark.

    Parameters
    ----------
    protocol : {"clean", "faithful", "corrected"}
        ``clean``: each edge is a weight and each weight an edge; sequences are batched by length
        and read out at their own last token. ``faithful``: the set-up of Stier et al. (2021,
        arXiv 2107.12917) with its oddities; see :mod:`nnstruct.networks.faithful`. ``corrected``: the
        same networks with gate masks that fit the gates and a read-out at the own last token.
    epochs : int
    batch_size : int
    learning_rate : float
        Of Adam (Kingma and Ba, 2015), with betas 0.9 and 0.999 and epsilon 1e-8.
    clip_norm : float
        Largest gradient norm, over all parameters of one network.

    Examples
    --------
    >>> from nnstruct import TrainConfig
    >>> TrainConfig(epochs=3).id == TrainConfig(epochs=3).id != TrainConfig(epochs=4).id
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["clean", "faithful", "corrected"] = "clean"
    epochs: int = Field(default=15, ge=1)
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    clip_norm: float = Field(default=5.0, gt=0)

    @property
    def id(self) -> str:
        """12 hexadecimal digits; equal for equal configurations, on every machine."""
        text = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


@dataclass(frozen=True, eq=False)
class Record:
    """The outcome of training one structure once.

    Attributes
    ----------
    fingerprint : str
        Of the structure.
    family : str
    task : str
        The task's name; ``task_fingerprint`` tells its data.
    config_id : str
        :attr:`TrainConfig.id`.
    seed : int
        Decides the initial weights and the order of the batches.
    status : {"ok", "diverged"}
        ``diverged``: the training loss was no longer finite; curves are NaN from there on and the
        test metric is NaN.
    train_loss, val_loss, val : float64 [epochs]
        Curves, one value an epoch: mean training loss, validation loss, validation metric.
    test, test_loss : float
        After the last epoch.
    parameters : int
        Trainable scalars (a masked weight is none).
    seconds : float
        Of one CPU core or of the network's share of a GPU. Measured, so not reproducible.
    engine : str
    """

    fingerprint: str
    family: str
    task: str
    task_fingerprint: str
    config_id: str
    seed: int
    status: str
    train_loss: np.ndarray
    val_loss: np.ndarray
    val: np.ndarray
    test: float
    test_loss: float
    parameters: int
    seconds: float
    engine: str

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What identifies the work: structure, task data, configuration, seed."""
        return (self.fingerprint, self.task_fingerprint, self.config_id, self.seed)
