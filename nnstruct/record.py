"""One trained network's outcome, and the configuration that led to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nnstruct.checks import MOST_ROUNDS, plain
from nnstruct.errors import InvalidInputError, nearest

STATUS_OK = "ok"
STATUS_DIVERGED = "diverged"
STATUS_FAILED = "failed"
STATUS_STOPPED = "stopped"

# A field added later leaves the identity of the configurations before it as it was.
_ALWAYS_NAMED = ("protocol", "epochs", "batch_size", "learning_rate", "clip_norm")
# What only images and only convolutional networks have.
IMAGE_OPTIONS = ("augmentation", "resolutions", "test_flip")
CNN_OPTIONS = ("readout", "downsampling")


_ModelType: Any = type(BaseModel)


class _Sentences(_ModelType):
    """Makes a wrong option of a configuration an error in one sentence."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        try:
            return super().__call__(*args, **options)
        except ValidationError as error:
            raise _in_one_sentence(self, error) from None


def _in_one_sentence(cls: Any, error: ValidationError) -> InvalidInputError:
    first = error.errors(include_url=False)[0]
    name, known = str(first["loc"][0]), list(cls.model_fields)
    if first["type"] == "extra_forbidden":
        rule = f"be one of {', '.join(known)}"
        return InvalidInputError(f"option of {cls.__name__}", rule, name, nearest(name, known))
    return InvalidInputError(name, first["msg"].partition("should ")[2] or first["msg"], first["input"])


class TrainConfig(BaseModel, metaclass=_Sentences):
    """How a network is trained. Immutable; its :attr:`id` names it in a benchmark.

    Parameters
    ----------
    protocol : {"clean", "faithful", "corrected"}
        ``clean``: each edge is a weight and each weight an edge; sequences are batched by length
        and read out at their own last token. ``faithful``: the set-up of Stier et al. (2021,
        arXiv 2107.12917) with its oddities; see :mod:`nnstruct.modules.rnn.faithful`. ``corrected``: the
        same networks with gate masks that fit the gates and a read-out at the own last token.
    epochs : int
    batch_size : int
    learning_rate : float
        Of Adam (Kingma and Ba, 2015), with betas 0.9 and 0.999 and epsilon 1e-8.
    clip_norm : float
        Largest gradient norm, over all parameters of one network.
    optimizer : {"adam", "adamw", "sgd"}
        ``sgd`` has Nesterov momentum.
    momentum : float
        Of ``sgd``.
    weight_decay : float
        Of weights; biases and normalisations are left alone.
    schedule : {"constant", "cosine", "linear"}
        ``cosine`` falls to 0 over all steps (Loshchilov and Hutter, 2017), ``linear`` in a straight line.
    warmup : float
        Share of the steps over which the rate first rises in a straight line; the schedule has the others.
        With ``linear`` this is the one-cycle policy (Smith and Topin, 2018, arXiv 1708.07120).
    label_smoothing : float
        Share of the target spread evenly over the classes (Szegedy et al., 2016), in training only.
    augmentation : {"none", "crop", "flip", "crop-flip", "reflect-crop", "reflect-crop-flip"}
        For images, in training only: random crops of the image padded by an eighth of its size (with zeros,
        or with its mirror image), and random horizontal flips.
    resolutions : tuple of float
        For images, in training only: shares of their sides, each for equally many epochs one after the other;
        the last is 1. Images are resized with an antialiased bilinear filter (progressive resizing; Tan and
        Le, 2021, arXiv 2104.00298).
    test_flip : bool
        For images, in evaluation only: whether the scores are the mean over an image and its mirror image.
    precision : {"float32", "bfloat16"}
        Of the arithmetic inside the network; weights stay float32.
    normalization : {"default", "none", "batch", "layer"}
        Between a unit's sum and its activation; the default is ``batch`` for convolutional networks
        and ``none`` for all others.
    parametrization : {"standard", "mup", "ntk", "integrable"}
        How initial weights and learning rates depend on the width; ``mup`` is the maximal update
        parametrization of Yang and Hu (2021) relative to ``base_width``. The others, with ``sgd`` alone,
        are what it is compared with; see :mod:`nnstruct.modules.mup`.
    base_width : int
        Width of all layers at which each of them equals the standard parametrization.
    init_gain : float
        Factor on the initial weights of edges, units and inputs; of the protocol ``clean``.
    output_scale : float
        The read-out learns as if its scores were multiplied by this number: it begins so many times larger
        and has so many times the learning rate, with ``sgd`` its square. Of the protocol ``clean``.
    readout : {"mean", "max"}
        What a convolutional network reads of a map: the mean over all positions or the largest value.
    downsampling : {"stride", "max-pool"}
        How a convolution of a convolutional network comes to a smaller map: by its stride, or at the full
        size with the largest value of each square of positions taken, before normalisation and activation.

    Examples
    --------
    >>> from nnstruct import TrainConfig
    >>> TrainConfig(epochs=3).id == TrainConfig(epochs=3).id != TrainConfig(epochs=4).id
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["clean", "faithful", "corrected"] = "clean"
    epochs: int = Field(default=15, ge=1, le=MOST_ROUNDS, strict=True)
    batch_size: int = Field(default=128, ge=1, strict=True)
    learning_rate: float = Field(default=1e-3, gt=0, strict=True)
    clip_norm: float = Field(default=5.0, gt=0, strict=True)
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: float = Field(default=0.0, ge=0, strict=True)
    momentum: float = Field(default=0.9, ge=0, lt=1, strict=True)
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: float = Field(default=0.0, ge=0, lt=1, strict=True)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, strict=True)
    augmentation: Literal["none", "crop", "flip", "crop-flip", "reflect-crop", "reflect-crop-flip"] = "none"
    resolutions: tuple[float, ...] = (1.0,)
    test_flip: bool = Field(default=False, strict=True)
    precision: Literal["float32", "bfloat16"] = "float32"
    normalization: Literal["default", "none", "batch", "layer"] = "default"
    parametrization: Literal["standard", "mup", "ntk", "integrable"] = "standard"
    base_width: int = Field(default=32, ge=1, strict=True)
    init_gain: float = Field(default=1.0, gt=0, strict=True)
    output_scale: float = Field(default=1.0, gt=0, strict=True)
    readout: Literal["mean", "max"] = "mean"
    downsampling: Literal["stride", "max-pool"] = "stride"

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        # A list, as TOML and JSON have it, is a tuple.
        return tuple(map(plain, value)) if isinstance(value, list) else plain(value)

    @field_validator("resolutions")
    @classmethod
    def _up_to_the_whole(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if not shares or shares[-1] != 1.0 or not all(0.0 < share <= 1.0 for share in shares):
            raise ValueError("should hold shares above 0 and at most 1, the last of them 1")
        return shares

    @property
    def options(self) -> dict[str, Any]:
        """The fields beyond the first five that differ from their default."""
        return {
            name: value
            for name, value in self.model_dump(exclude_defaults=True).items()
            if name not in _ALWAYS_NAMED
        }

    def as_dict(self) -> dict[str, Any]:
        """The fields as they are stored and hashed.

        Returns
        -------
        dict
            ``protocol``, ``epochs``, ``batch_size``, ``learning_rate`` and ``clip_norm`` always, the
            others where they differ from their default.
        """
        return {name: getattr(self, name) for name in _ALWAYS_NAMED} | self.options

    @property
    def id(self) -> str:
        """12 hexadecimal digits; equal for equal configurations, on every machine."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def refuse_options(config: TrainConfig, names: Iterable[str], where: str) -> None:
    """Raise an error if one of the options differs from its default.

    Parameters
    ----------
    config : TrainConfig
    names : iterable of str
        Options that mean nothing there.
    where : str
        What has no such options, to follow "for".

    Raises
    ------
    InvalidInputError
        Of the first of them.

    Examples
    --------
    >>> from nnstruct import TrainConfig
    >>> refuse_options(TrainConfig(), IMAGE_OPTIONS, "the family 'mlp'")
    """
    for name in names:
        if name in config.options:
            rule = f"be {TrainConfig.model_fields[name].default!r} for {where}"
            raise InvalidInputError(f"config.{name}", rule, getattr(config, name))


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
    status : {"ok", "diverged", "failed", "stopped"}
        ``diverged``: the training loss was no longer finite; curves are NaN from there on and the
        test metric is NaN. ``failed``: every worker that trained it died; all values are NaN.
    train_loss, val_loss, val : float64 [epochs]
        Curves, one value an epoch: mean training loss, validation loss, validation metric.
    test, test_loss : float
        After the last epoch.
    parameters : int
        Trainable scalars (a masked weight is none).
    seconds : float
        Of one CPU core or of the network's share of a GPU. Measured, so not reproducible.
    engine : str
    reason : str
        Why the training failed; empty where it did not.
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
    reason: str = ""

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What identifies the work: structure, task data, configuration, seed."""
        return (self.fingerprint, self.task_fingerprint, self.config_id, self.seed)
