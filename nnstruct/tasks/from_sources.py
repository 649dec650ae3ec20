"""Tasks from data frames, torch Datasets and data that are already split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnstruct.checks import is_number
from nnstruct.errors import InvalidInputError
from nnstruct.tasks.assembly import Weights, task_fields
from nnstruct.tasks.frames import read_frame
from nnstruct.tasks.metrics import Metric
from nnstruct.tasks.splits import SPLIT_NAMES, Split, part_of, split_by_identity
from nnstruct.tasks.user_data import given_splits, read_dataset

if TYPE_CHECKING:
    import pandas as pd


class FromSources:
    """The ways to make a :class:`~nnstruct.tasks.Task` from what holds inputs and targets together."""

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    @classmethod
    def from_splits(
        cls,
        name: str,
        train: tuple[Any, ...],
        val: tuple[Any, ...] | float,
        test: tuple[Any, ...],
        *,
        kind: str = "classification",
        sequences: bool = False,
        series: bool = False,
        alphabet: str | None = None,
        ends: bool = True,
        standardise: bool | None = None,
        seed: int = 0,
        metric: str | Metric | None = None,
        class_weights: Weights = None,
    ) -> Self:
        """A task from data that are already split.

        Given splits are kept as they are, with their order and their repetitions.

        Parameters
        ----------
        name : str
        train, test : pairs of inputs and targets
            As for :meth:`from_arrays`; with ``sequences`` as for :meth:`from_sequences`; with ``series`` as
            for :meth:`from_series`, where lengths may follow.
        val : pair, or float
            Or the share of the distinct train inputs that is held out for validation; exact
            duplicates stay together.
        kind : {"classification", "regression", "sequence-labelling", "next-symbol"}
        sequences, series : bool
            Whether inputs are sequences of symbols, or series of real values.
        alphabet : str, optional
            Order of the characters of strings; by default those that occur in any split, sorted.
        ends : bool
            For ``next-symbol``: whether the end is to be foretold.
        standardise : bool, optional
            Whether inputs are standardised as the training split is; by default series are.
        seed : int
            Decides what is held out.
        metric : str or Metric, optional
            See :mod:`nnstruct.tasks.metrics`; by default that of the kind.
        class_weights : "balanced" or sequence of float, optional
            Of each class in the loss.

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If a split breaks a rule; the message names it.

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct.tasks import Task
        >>> x = np.random.default_rng(0).normal(size=(100, 3, 8, 8))  # images of 3 channels
        >>> y = (x.mean(axis=(1, 2, 3)) > 0).astype(int)
        >>> Task.from_splits("bright", train=(x[:80], y[:80]), val=0.1, test=(x[80:], y[80:]))
        Task('bright', 72/8/20 train/val/test, inputs [3, 8, 8], 2 classes)
        """
        parts: dict[str, Any] = {"train": train, "test": test}
        if not is_number(val):
            parts["val"] = val
        form = "series" if series else "sequences" if sequences else "arrays"
        splits, num_symbols = given_splits(
            parts, val=val, kind=kind, form=form, alphabet=alphabet, ends=ends, seed=seed
        )
        return cls(
            name,
            **task_fields(
                splits,
                kind=kind,
                num_symbols=num_symbols,
                metric=metric,
                class_weights=class_weights,
                standardise=series if standardise is None else standardise,
            ),
        )

    @classmethod
    def from_dataset(
        cls,
        name: str,
        dataset: Any,
        *,
        kind: str = "classification",
        val: float = 0.15,
        test: float = 0.15,
        sequences: bool = False,
        series: bool = False,
        seed: int = 0,
        **options: Any,
    ) -> Self:
        """A task from a torch Dataset, or from one for each split.

        Every item is read once, so that a random transform is frozen; values are taken as they are,
        so that scaling belongs into the Dataset's transform.

        Parameters
        ----------
        name : str
        dataset : Dataset, or tuple of Datasets
            Anything with a length whose items are pairs of an input (tensor, array or Pillow image,
            which becomes [channels, height, width] from 0 to 1) and a target: a class from 0, real numbers
            for ``regression``, a class for each step for ``sequence-labelling``. For ``next-symbol`` items
            are the inputs alone. A tuple is (train, test) or (train, val, test) and is kept as it is.
        kind : {"classification", "regression", "sequence-labelling", "next-symbol"}
        val, test : float
            Shares of the distinct inputs, where they are not given; exact duplicates stay together.
        sequences : bool
            Whether inputs are strings or sequences of symbols from 1.
        series : bool
            Whether inputs are series of real values [T_i, D].
        seed : int
            Decides the split.
        **options
            As for :meth:`from_splits`: ``standardise``, ``metric``, ``class_weights``, ``ends``.

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If the Dataset has no length, or an item breaks a rule; the message names it.

        Examples
        --------
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> from nnstruct.tasks import Task
        >>> images = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> data = TensorDataset(images, (images.mean(dim=(1, 2, 3)) > 0.5).long())
        >>> Task.from_dataset("bright", data)
        Task('bright', 42/9/9 train/val/test, inputs [1, 8, 8], 2 classes)
        >>> Task.from_dataset("bright", (data, data), val=0.1)
        Task('bright', 54/6/60 train/val/test, inputs [1, 8, 8], 2 classes)
        """
        form = "series" if series else "sequences" if sequences else "arrays"
        if not isinstance(dataset, tuple):
            inputs, targets = read_dataset("dataset", dataset, kind=kind, form=form)
            make: Any = getattr(cls, f"from_{form}")
            return make(name, inputs, targets, kind=kind, val=val, test=test, seed=seed, **options)
        if len(dataset) not in (2, 3):
            raise InvalidInputError(
                "dataset", "be one Dataset, (train, test) or (train, val, test)", len(dataset)
            )
        names = ("train", "test") if len(dataset) == 2 else SPLIT_NAMES
        parts = {
            part: read_dataset(part, one, kind=kind, form=form)
            for part, one in zip(names, dataset, strict=True)
        }
        return cls.from_splits(
            name,
            parts["train"],
            parts.get("val", val),
            parts["test"],
            kind=kind,
            sequences=sequences,
            series=series,
            seed=seed,
            **options,
        )

    @classmethod
    def from_dataframe(
        cls,
        name: str,
        frame: pd.DataFrame,
        target: str | Sequence[str],
        *,
        features: Sequence[str] | None = None,
        group: str | None = None,
        kind: str = "classification",
        val: float = 0.15,
        test: float = 0.15,
        seed: int = 0,
        standardise: bool = True,
        metric: str | Metric | None = None,
        class_weights: Weights = None,
    ) -> Self:
        """A task from a data frame: a row an example, or a group of rows a series.

        Exact duplicates never stand on two sides of the split.

        Parameters
        ----------
        name : str
        frame : pandas.DataFrame
        target : str or sequence of str
            The column of the target; several for ``regression``. Classes may be any values, they count in
            sorted order.
        features : sequence of str, optional
            The columns of the inputs; by default all others. Columns that are no numbers become one column a
            value.
        group : str, optional
            Rows of one value in this column are one series, in the order of the frame; its target is that
            of its last row, or for ``sequence-labelling`` that of each row.
        kind : {"classification", "regression", "sequence-labelling"}
        val, test : float
            Shares of the distinct examples.
        seed : int
            Decides the split.
        standardise : bool
            Whether each column is brought to mean 0 and deviation 1, as learned on the training split.
        metric : str or Metric, optional
            See :mod:`nnstruct.tasks.metrics`; by default that of the kind.
        class_weights : "balanced" or sequence of float, optional
            Of each class in the loss.

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If there is no such column, a value is missing, or targets are none of the kind.

        Examples
        --------
        >>> import pandas as pd
        >>> from nnstruct.tasks import Task
        >>> frame = pd.DataFrame({"size": range(40), "colour": ["red", "blue"] * 20, "price": range(40)})
        >>> Task.from_dataframe("prices", frame, "price", kind="regression")
        Task('prices', 28/6/6 train/val/test, inputs [3], 1 real targets)
        """
        read = read_frame(frame, target, features=features, group=group, kind=kind)
        inputs = read.inputs
        rows = inputs if read.lengths is None else map(_steps, inputs, read.lengths)
        parts = split_by_identity([row.tobytes() for row in rows], val=val, test=test, seed=seed)
        whole = Split(inputs, read.targets, read.lengths)
        splits = [part_of(whole, part) for part in parts]
        return cls(
            name,
            **task_fields(
                splits, kind=kind, metric=metric, class_weights=class_weights, standardise=standardise
            ),
        )


def _steps(row: np.ndarray, length: int) -> np.ndarray:
    return row[:length]
