"""Weights that a build has in hand, until they are written with their records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.benchmark.weight_file import Kept, Parameters, WeightKey, halved, weight_bytes
from nnstruct.benchmark.weights import KeptWeights, RecordKey, WeightFile
from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.record import STATUS_FAILED, Record, TrainConfig

if TYPE_CHECKING:
    from nnstruct.population import Trained


def check_kept_epochs(keep_weights: bool | Sequence[int], config: TrainConfig) -> tuple[int, ...]:
    """The epochs after which weights are to be kept, ascending.

    Parameters
    ----------
    keep_weights : bool or sequence of int
        True is the last epoch.
    config : TrainConfig

    Returns
    -------
    tuple of int

    Raises
    ------
    InvalidInputError
        If an epoch is none of the configuration, or its protocol has no Network.

    Examples
    --------
    >>> check_kept_epochs(True, TrainConfig(epochs=9)), check_kept_epochs([3, 1], TrainConfig(epochs=9))
    ((9,), (1, 3))
    """
    if keep_weights is False:
        return ()
    if config.protocol != "clean":
        raise InvalidInputError("config.protocol", "be 'clean' to keep weights", config.protocol)
    if keep_weights is True:
        return (config.epochs,)
    rule = f"be True, False or a list of epochs from 1 to {config.epochs}"
    if isinstance(keep_weights, str) or not isinstance(keep_weights, Sequence):
        raise InvalidInputError("keep_weights", rule, keep_weights)
    epochs = [check_integer(epoch, "keep_weights", high=config.epochs, rule=rule) for epoch in keep_weights]
    return tuple(sorted(set(epochs)))


class Portion:
    """Weights of records that are not yet written.

    Parameters
    ----------
    epochs : sequence of int
        That are kept of each training.
    """

    def __init__(self, epochs: Sequence[int]) -> None:
        self.epochs = epochs
        self._held: dict[RecordKey, dict[int, Parameters | None]] = {}

    def records_of(self, trained: Iterable[Trained]) -> Iterator[Record]:
        """The records, while their weights are taken in hand.

        Parameters
        ----------
        trained : iterable of Trained

        Yields
        ------
        Record
        """
        for record, kept in trained:
            if record.status == STATUS_FAILED:  # it will be trained again
                yield record
                continue
            found: Mapping[int, Parameters] = kept
            self._held[record.key] = {
                epoch: halved(found[epoch]) if epoch in found else None for epoch in self.epochs
            }
            yield record

    def of(self, records: Iterable[Record]) -> Iterator[Kept]:
        """The weights of some records; those that are not finite are None.

        Parameters
        ----------
        records : iterable of Record

        Yields
        ------
        (WeightKey, parameters or None)
        """
        for record in records:
            for epoch, parameters in self._held.get(record.key, {}).items():
                yield WeightKey(*record.key, epoch), parameters

    def drop(self, records: Iterable[Record]) -> None:
        """Let go of the weights of records that are written.

        Parameters
        ----------
        records : iterable of Record
        """
        for record in records:
            self._held.pop(record.key, None)

    def in_memory(self, task_fingerprint: str) -> KeptWeights:
        """All that is held, as a benchmark in memory has it.

        Parameters
        ----------
        task_fingerprint : str

        Returns
        -------
        KeptWeights
        """
        held = [(WeightKey(*key, e), found) for key, by in self._held.items() for e, found in by.items()]
        if not held:
            return KeptWeights()
        data = weight_bytes(task_fingerprint, held)
        return KeptWeights([WeightFile(Path("weights in memory"), "", "Build them again.", data)])
