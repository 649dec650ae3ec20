"""Sparse multilayer perceptrons, any weight of which may be missing, in the compiled kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nnstruct.population.native.bridge import Flat
from nnstruct.population.native.compiler import library
from nnstruct.population.optimisers import ADAM_BETAS, ADAM_EPSILON, AdamState, rate_at
from nnstruct.record import TrainConfig
from nnstruct.tasks import Split, Task

ACTIVATION_CODES = {"identity": 0, "relu": 1, "tanh": 2}


class SparseLayer(NamedTuple):
    """A linear layer and what follows it."""

    weight: np.ndarray  # float32 [out, in]
    mask: np.ndarray  # bool [out, in]
    bias: np.ndarray  # float32 [out]
    activation: str  # a key of ACTIVATION_CODES


class LayerMoment(NamedTuple):
    """A moment that Adam remembers of a layer, zero where a weight is masked."""

    weight: np.ndarray  # float32 [out, in]
    bias: np.ndarray  # float32 [out]


PerceptronState = AdamState[list[LayerMoment]]


class _Layers(ctypes.Structure):
    _fields_ = [
        ("count", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("sizes", "activation", "starts", "sources", "inputs")),
    ]


class _Examples(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("inputs", "targets")),
        ("width", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("batches", "starts")),
        ("count", ctypes.c_int64),
    ]


class NativePerceptron:
    """A perceptron in the compiled kernel: what it has learned so far, and the data that it has seen.

    Parameters
    ----------
    layers : sequence of SparseLayer
        The last gives the class scores, by the activation ``identity``.
    task : Task
        Of vectors or images, which are flattened.
    config : TrainConfig
        With no other options than a schedule.
    state : AdamState of LayerMoments, optional
        To go on with; by default nothing is learned yet.

    Raises
    ------
    RuntimeError
        If there is no compiled kernel; :func:`nnstruct.population.native.available` tells.
    MemoryError

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.population import native
    >>> from nnstruct.population.native.perceptron import NativePerceptron, SparseLayer
    >>> task = load_task("digits")
    >>> weight, bias = np.zeros((10, 64), np.float32), np.zeros(10, np.float32)
    >>> layer = SparseLayer(weight, np.eye(10, 64) > 0, bias, "identity")
    >>> if native.available():
    ...     network = NativePerceptron([layer], task, TrainConfig())
    ...     loss, hits = network.run("val", np.arange(5), np.array([0, 5]), False)
    ...     assert abs(loss - 5 * np.log(10)) < 1e-5
    """

    def __init__(
        self,
        layers: Sequence[SparseLayer],
        task: Task,
        config: TrainConfig,
        state: PerceptronState | None = None,
    ) -> None:
        loaded = library()
        if loaded is None:
            raise RuntimeError("the native engine is not available on this machine")
        self._epoch = loaded.nnstruct_perceptron_epoch
        self._epoch.restype = ctypes.c_double
        self._layers, self._task = list(layers), task
        parameters = self._packed(layers)
        self._flat = [parameters, *(np.zeros_like(parameters) for _ in range(3))]
        if state is not None:
            self._flat[2:] = [self._packed(moment) for moment in state.moments]
        steps = config.epochs * -(-len(task.train) // config.batch_size)
        self._rates = np.array([rate_at(config, step, steps) for step in range(steps)])
        self._steps_taken = np.array([state.steps_taken if state else 0], dtype=np.int64)
        self._pointers = Flat(
            *(array.ctypes.data for array in self._flat), len(parameters),
            config.learning_rate, config.clip_norm, *ADAM_BETAS, ADAM_EPSILON,
        )  # fmt: skip
        self._wiring = self._wire()
        self._data: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def run(
        self, name: str, positions: np.ndarray, starts: np.ndarray, training: bool
    ) -> tuple[float, float]:
        """One pass over a split, as :data:`nnstruct.population.epochs.RunSplit` says.

        Parameters
        ----------
        name : {"train", "val", "test"}
        positions : int64 [n]
            Positions of the examples in the split, batch after batch.
        starts : int64 [batches + 1]
            Where each batch begins in ``positions``; the last entry is n.
        training : bool
            Whether the parameters are updated after each batch.

        Returns
        -------
        loss : float
            Sum of the examples' losses; not finite once training diverges.
        hits : float
            Examples whose class has the highest score.

        Raises
        ------
        MemoryError
            If the kernel cannot allocate what a batch needs.
        """
        if name not in self._data:
            self._data[name] = _arrays(getattr(self._task, name))
        inputs, targets = self._data[name]
        hits = ctypes.c_int64(0)
        view = _Examples(
            inputs.ctypes.data, targets.ctypes.data, inputs.shape[1], positions.ctypes.data,
            starts.ctypes.data, len(starts) - 1,
        )  # fmt: skip
        loss = self._epoch(
            ctypes.c_int32(training), ctypes.byref(self._wiring), ctypes.byref(self._pointers),
            ctypes.c_void_p(self._rates.ctypes.data), ctypes.c_void_p(self._steps_taken.ctypes.data),
            ctypes.byref(view), ctypes.byref(hits),
        )  # fmt: skip
        if loss < 0:
            raise MemoryError("there is not enough memory to train the network")
        return loss, hits.value

    @property
    def gradient(self) -> np.ndarray:
        """Of the last training step before it was clipped: the weights' by layer, then the biases'."""
        return self._flat[1]

    def layers(self) -> list[SparseLayer]:
        """The layers as they are now; masked weights are zero."""
        return [
            layer._replace(weight=weight, bias=bias)
            for layer, (weight, bias) in zip(self._layers, self._unpacked(self._flat[0]), strict=True)
        ]

    def state(self) -> PerceptronState:
        """What Adam remembers now."""
        first, second = (self._unpacked(moment) for moment in self._flat[2:])
        return AdamState(int(self._steps_taken[0]), first, second)

    def _packed(self, values: Sequence[SparseLayer | LayerMoment]) -> np.ndarray:
        """The weights that no mask is on, layer by layer, then the biases."""
        weights = [value.weight[layer.mask] for value, layer in zip(values, self._layers, strict=True)]
        return np.concatenate([*weights, *(value.bias for value in values)]).astype(np.float32)

    def _unpacked(self, flat: np.ndarray) -> list[LayerMoment]:
        sizes = [int(layer.mask.sum()) for layer in self._layers]
        sizes += [len(layer.bias) for layer in self._layers]
        parts = np.split(flat.copy(), np.cumsum(sizes)[:-1])
        found = []
        for layer, weight, bias in zip(self._layers, parts, parts[len(self._layers) :], strict=False):
            dense = np.zeros(layer.mask.shape, dtype=np.float32)
            dense[layer.mask] = weight
            found.append(LayerMoment(dense, bias))
        return found

    def _wire(self) -> _Layers:
        inputs = np.flatnonzero(self._layers[0].mask.any(axis=0))
        masks = [self._layers[0].mask[:, inputs], *(layer.mask for layer in self._layers[1:])]
        sizes = [len(inputs), *(len(mask) for mask in masks)]
        offsets = np.cumsum([0, *sizes])
        fan_in = np.concatenate([mask.sum(axis=1) for mask in masks])
        sources = [np.nonzero(mask)[1] + offset for mask, offset in zip(masks, offsets, strict=False)]
        codes = [ACTIVATION_CODES[layer.activation] for layer in self._layers]
        self._kept: list[np.ndarray] = [
            np.array(sizes, dtype=np.int32), np.array(codes, dtype=np.int32),
            np.cumsum([0, *fan_in], dtype=np.int64), np.concatenate(sources).astype(np.int32),
            inputs.astype(np.int32),
        ]  # fmt: skip
        return _Layers(len(masks), *(array.ctypes.data for array in self._kept))


def _arrays(split: Split) -> tuple[np.ndarray, np.ndarray]:
    inputs = np.ascontiguousarray(split.inputs, dtype=np.float32).reshape(len(split), -1)
    return inputs, split.targets.astype(np.int32)
