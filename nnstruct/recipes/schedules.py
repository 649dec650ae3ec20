"""Parts of recipes that say how a network is pruned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, PlainValidator, field_validator

from nnstruct.checks import is_integer
from nnstruct.errors import InvalidInputError
from nnstruct.recipes.reading import Section, check_known
from nnstruct.record import TrainConfig

Epochs = Annotated[int, Field(ge=0)]


def _budget(value: Any) -> Any:
    held = value if isinstance(value, list) else [value]
    if any(not is_integer(number) or number < 0 for number in held):
        raise InvalidInputError("epochs", "be an integer or a list of integers, at least 0", value)
    return value


Budget = Annotated[int | list[int], PlainValidator(_budget)]


def check_densities(densities: list[float]) -> list[float]:
    """Return shares in [0, 1) that fall, or raise.

    Parameters
    ----------
    densities : list of float

    Returns
    -------
    list of float
        As given.

    Raises
    ------
    InvalidInputError
        If there is none, one is outside [0, 1), or one is not below the one before it.
    """
    falling = all(late < early for early, late in zip((1.0, *densities), densities, strict=False))
    if not densities or not falling or densities[-1] < 0:
        raise InvalidInputError("densities", "be shares in [0, 1) that fall", densities)
    return densities


class RetrainSection(Section):
    """``[retrain]``: epochs after each pruning and their learning rate, by default those of ``[train]``.

    With ``patience`` re-training ends when the validation accuracy has not risen for so many epochs.
    """

    epochs: Budget | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    patience: Annotated[int, Field(ge=1)] | None = None


class MethodSection(Section):
    """An entry of ``[methods]``: the label is the key, and the method too if none is named.

    ``options`` are those of the method, ``part`` one of them; ``pretrain = 0`` prunes a fresh network.
    The schedule is that of ``[pruning]``, but a method that trains on the way starts from the dense
    network each time (``one-shot``) where that one is gradual or rewinds. ``densities``, ``retrain``,
    ``retrain_rate`` and ``patience`` take the place of those of ``[pruning]`` and ``[retrain]``, and the
    keys of ``train`` that of those in ``[train]``, for the dense networks of this entry too. ``finish``
    adds epochs with fixed masks where a method prunes while it trains.
    """

    method: str
    schedule: str | None = None
    part: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    pretrain: Epochs | None = None
    train: dict[str, Any] = Field(default_factory=dict)
    retrain: Budget | None = None
    retrain_rate: Annotated[float, Field(gt=0)] | None = None
    finish: Epochs = 0
    patience: Annotated[int, Field(ge=1)] | None = None
    rewind_epoch: Epochs = 0
    prune_share: float = 0.7
    densities: list[float] | None = None

    @field_validator("method")
    @classmethod
    def _is_known(cls, method: str) -> str:
        from nnstruct.pruning import PRUNERS

        check_known(method, PRUNERS, "method")
        return method

    @field_validator("densities")
    @classmethod
    def _fall(cls, densities: list[float] | None) -> list[float] | None:
        return densities if densities is None else check_densities(densities)

    def settings(
        self, densities: Sequence[float], schedule: str, config: TrainConfig, retrain: RetrainSection
    ) -> dict[str, Any]:
        """Method and schedule as :func:`nnstruct.pruning.run_trajectory` takes them, checked.

        Parameters
        ----------
        densities : sequence of float
            Those to prune to; a list of re-training epochs must have as many entries.
        schedule : str
            That of ``[pruning]``, taken where the entry names none.
        config : TrainConfig
            ``[train]`` with this entry's changes.
        retrain : RetrainSection
            ``[retrain]``, for what the entry leaves out.

        Returns
        -------
        dict
            ``method``, a pruner, and ``schedule``.

        Raises
        ------
        InvalidInputError
            If the method has no such option, or cannot be run with its schedule or epochs.
        """
        from nnstruct.pruning import Schedule, load_pruner

        options = self.options if self.part is None else self.options | {"part": self.part}
        pruner = load_pruner(self.method, **options)
        if pruner.trains and self.schedule is None and schedule in ("gradual", "rewind"):
            schedule = "one-shot"
        chosen = Schedule(
            self.schedule or schedule,
            pretrain=self.pretrain,
            retrain=retrain.epochs if self.retrain is None else self.retrain,
            patience=retrain.patience if self.patience is None else self.patience,
            rewind_epoch=self.rewind_epoch,
            prune_share=self.prune_share,
            finish=self.finish,
            retrain_rate=retrain.learning_rate if self.retrain_rate is None else self.retrain_rate,
        )
        chosen.check(densities, config)
        return {"method": pruner, "schedule": chosen}
