"""Tasks from own examples, which are split here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnstruct.tasks.assembly import Weights, as_series, next_symbols, read_targets, task_fields
from nnstruct.tasks.metrics import Metric
from nnstruct.tasks.splits import Split, encode_sequences, padded_split, split_by_identity
from nnstruct.tasks.user_data import as_inputs


class FromExamples:
    """The ways to make a :class:`~nnstruct.tasks.Task` from examples; exact duplicates are never split."""

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    @classmethod
    def from_sequences(
        cls,
        name: str,
        sequences: Sequence[str | Sequence[int]],
        targets: Any = None,
        *,
        kind: str = "classification",
        val: float = 0.15,
        test: float = 0.15,
        seed: int = 0,
        alphabet: str | None = None,
        ends: bool = True,
        metric: str | Metric | None = None,
        class_weights: Weights = None,
    ) -> Self:
        """A task from own strings (or integer sequences) and their classes.

        Exact duplicates never stand on two sides of the split.

        Parameters
        ----------
        name : str
        sequences : sequence of str, or of sequences of positive int
            None may be empty. Symbol 0 is kept for the padding.
        targets : sequence of int, optional
            Classes from 0. For ``regression`` real numbers [n] or [n, K]; for ``sequence-labelling`` a
            sequence of classes for each, one a symbol, -1 where nothing is asked; for ``next-symbol`` none.
        kind : {"classification", "regression", "sequence-labelling", "next-symbol"}
        val, test : float
            Shares of the distinct sequences.
        seed : int
            Decides the split.
        alphabet : str, optional
            Order of the characters; by default those that occur, sorted. Only for strings.
        ends : bool
            For ``next-symbol``: whether after the last symbol the end of the sequence is to be foretold,
            as symbol 0.
        metric : str or Metric, optional
            See :mod:`nnstruct.tasks.metrics`; by default that of the kind.
        class_weights : "balanced" or sequence of float, optional
            Of each class in the loss; ``balanced`` is inverse to how often it occurs in training.

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If a sequence is empty or leaves the alphabet, targets are none of the kind, or fewer
            than three distinct sequences are given.

        Examples
        --------
        >>> from nnstruct.tasks import Task
        >>> Task.from_sequences("ends-in-b", ["ab", "ba", "bb", "aa"] * 5, [1, 0, 1, 0] * 5)
        Task('ends-in-b', 10/5/5 train/val/test, 3 symbols, 2 classes)
        >>> Task.from_sequences("language", ["abab", "ab", "ababab", "abababab"], kind="next-symbol")
        Task('language', 2/1/1 train/val/test, 3 symbols, next symbols)
        """
        if kind == "classification":
            read_targets(kind, targets, None, len(sequences))
        coded = encode_sequences(sequences, alphabet)
        read = read_targets(kind, targets, [len(row) for row in coded], len(coded))
        parts = split_by_identity(coded, val=val, test=test, seed=seed)
        longest = max(len(row) for row in coded)
        splits = [padded_split([coded[i] for i in part], read[part], longest) for part in parts]
        if kind == "next-symbol":
            splits = [next_symbols(split, ends) for split in splits]
        symbols = len(alphabet) + 1 if alphabet else int(max(max(row) for row in coded)) + 1
        return cls(
            name,
            **task_fields(splits, kind=kind, num_symbols=symbols, metric=metric, class_weights=class_weights),
        )

    @classmethod
    def from_series(
        cls,
        name: str,
        series: Any,
        targets: Any,
        lengths: Sequence[int] | np.ndarray | None = None,
        *,
        kind: str = "classification",
        val: float = 0.15,
        test: float = 0.15,
        seed: int = 0,
        standardise: bool = True,
        metric: str | Metric | None = None,
        class_weights: Weights = None,
    ) -> Self:
        """A task from series of real values, of one length or of many.

        Exact duplicates never stand on two sides of the split. Windows that overlap share values: split them
        in time and hand the parts to :meth:`from_splits`.

        Parameters
        ----------
        name : str
        series : float [n, T, D] or [n, T], or a sequence of n float [T_i, D] or [T_i]
            n series of D channels.
        targets : sequence
            Classes from 0 [n]. For ``regression`` real numbers [n] or [n, K]; for ``sequence-labelling`` n
            sequences of classes, one a step, -1 where nothing is asked.
        lengths : sequence of n int, optional
            Steps of each series; by default all that it holds.
        kind : {"classification", "regression", "sequence-labelling"}
        val, test : float
            Shares of the distinct series.
        seed : int
            Decides the split.
        standardise : bool
            Whether each channel is brought to mean 0 and deviation 1, as learned on the training split.
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
            If a series is empty or not finite, targets are none of the kind, or fewer than three distinct
            series are given.

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct.tasks import Task
        >>> rng = np.random.default_rng(0)
        >>> series = [rng.normal(size=(rng.integers(5, 20), 2)) for _ in range(100)]  # two channels
        >>> task = Task.from_series("drift", series, [row.sum() for row in series], kind="regression")
        >>> task.num_outputs, task.input_shape[1], task.score_name
        (1, 2, 'r2')
        """
        inputs, steps = as_series("series", series, lengths)
        read = read_targets(kind, targets, steps, len(inputs))
        rows = [row[:length].tobytes() for row, length in zip(inputs, steps, strict=True)]
        parts = split_by_identity(rows, val=val, test=test, seed=seed)
        splits = [Split(inputs[part], read[part], steps[part]) for part in parts]
        return cls(
            name,
            **task_fields(
                splits, kind=kind, metric=metric, class_weights=class_weights, standardise=standardise
            ),
        )

    @classmethod
    def from_arrays(
        cls,
        name: str,
        inputs: np.ndarray,
        targets: Any,
        *,
        kind: str = "classification",
        val: float = 0.15,
        test: float = 0.15,
        seed: int = 0,
        standardise: bool = False,
        metric: str | Metric | None = None,
        class_weights: Weights = None,
    ) -> Self:
        """A task from vectors or images, float [n, ...], and their classes, int [n].

        Exact duplicates never stand on two sides of the split.

        Parameters
        ----------
        name : str
        inputs : float [n, ...]
        targets : sequence of int
            Classes from 0; for ``regression`` real numbers [n] or [n, K].
        kind : {"classification", "regression"}
        val, test : float
            Shares of the distinct inputs.
        seed : int
            Decides the split.
        standardise : bool
            Whether each column, or channel of images, is brought to mean 0 and deviation 1, as learned on
            the training split. Targets of a regression always are.
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
            If a value is not finite, targets are none of the kind, or fewer than three distinct
            inputs are given.

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct.tasks import Task
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> Task.from_arrays("sign", x, (x[:, 0] > 0).astype(int))
        Task('sign', 70/15/15 train/val/test, inputs [3], 2 classes)
        >>> Task.from_arrays("sums", x, np.stack([x.sum(1), (x**2).sum(1)], axis=1), kind="regression")
        Task('sums', 70/15/15 train/val/test, inputs [3], 2 real targets)
        """
        x = as_inputs("inputs", inputs)
        read = read_targets(kind, targets, None, len(x))
        parts = split_by_identity([row.tobytes() for row in x], val=val, test=test, seed=seed)
        splits = [Split(x[part], read[part]) for part in parts]
        return cls(
            name,
            **task_fields(
                splits, kind=kind, metric=metric, class_weights=class_weights, standardise=standardise
            ),
        )
