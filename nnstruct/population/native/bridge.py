"""Hands a network's arrays to the compiled kernel."""

from __future__ import annotations

import ctypes
import weakref

import numpy as np

from nnstruct.population.loop.data import Data
from nnstruct.population.loop.network import Preparation
from nnstruct.population.loop.plan import TiedWeights, Weights
from nnstruct.population.native.compiler import library

_COUNTS = (
    "cell", "units", "gates", "channels", "classes", "outputs", "inputs", "symbols", "first_symbol",
    "read_padded", "every_step", "forward_rows", "forward_starts", "forward_targets", "forward_edges",
    "recurrent_starts", "recurrent_targets", "recurrent_edges", "tied_inputs",
)  # fmt: skip
_ARRAYS = (
    "forward_start", "forward_target", "recurrent_start", "recurrent_target", "forward_channel",
    "recurrent_channel", "input_row", "output_unit", "sum_start", "sum_source", "computes",
)  # fmt: skip


_OF_GOALS = ("series", "steps", "real", "weights", "class_weights", "counts")


class _Wiring(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in _COUNTS] + [(name, ctypes.c_void_p) for name in _ARRAYS]


class _Weights(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in (*Weights._fields, *TiedWeights._fields)]


class Flat(ctypes.Structure):
    """Parameters, their gradient and the state of Adam, one behind the other."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("parameters", "gradient", "first", "second")),
        ("size", ctypes.c_int64),
        *((name, ctypes.c_double) for name in ("rate", "clip_norm", "beta1", "beta2", "epsilon")),
    ]


class _Data(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("tokens", "lengths", "targets")),
        ("width", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("batches", "starts")),
        ("count", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("goal", "channels")),
        *((name, ctypes.c_void_p) for name in _OF_GOALS),
    ]


class NativeEpochs:
    """Runs epochs of one network; a :class:`nnstruct.population.loop.network.RunEpoch`.

    Parameters
    ----------
    preparation : Preparation

    Raises
    ------
    RuntimeError
        If there is no compiled kernel; :func:`nnstruct.population.native.available` tells.
    MemoryError
    """

    def __init__(self, preparation: Preparation) -> None:
        loaded = library()
        if loaded is None:
            raise RuntimeError("the native engine is not available on this machine")
        self._run = loaded.nnstruct_run_epoch
        self._run.restype = ctypes.c_double
        loaded.nnstruct_create.restype = ctypes.c_void_p
        loaded.nnstruct_destroy.argtypes = [ctypes.c_void_p]
        loaded.nnstruct_destroy.restype = None
        self._preparation = preparation
        self._kept: list[np.ndarray] = []  # whatever the structures below point to
        weights, tied = preparation.layout.views(preparation.flat[0])
        gradients, tied_gradients = preparation.layout.views(preparation.flat[1])
        self._weights = self._pointers_to(weights, tied)
        self._gradients = self._pointers_to(gradients, tied_gradients)
        self._flat = Flat(
            *(array.ctypes.data for array in preparation.flat),
            len(preparation.flat[0]),
            *preparation.settings,
        )
        wiring = self._wiring(weights, tied)
        self._network = loaded.nnstruct_create(
            ctypes.byref(wiring), ctypes.c_int32(preparation.batch_size), ctypes.c_int32(preparation.longest)
        )
        if not self._network:
            raise MemoryError("there is not enough memory to train the network")
        weakref.finalize(self, loaded.nnstruct_destroy, self._network)

    def __call__(
        self, training: bool, data: Data, batches: np.ndarray, starts: np.ndarray
    ) -> tuple[float, int]:
        """One pass over a split; the sum of the examples' losses, and the hits."""
        hits, steps_taken = ctypes.c_int64(0), self._preparation.steps_taken
        width, channels = (data.series if data.series.size else data.tokens[..., None]).shape[1:]
        of_goal = (getattr(data, name) for name in _OF_GOALS)
        view = _Data(
            *(array.ctypes.data for array in data[:3]), width, batches.ctypes.data, starts.ctypes.data,
            len(starts) - 1, data.goal, channels if data.series.size else 0,
            *(array.ctypes.data if array.size else None for array in of_goal),
        )  # fmt: skip
        data.counts[:] = 0.0
        loss = self._run(
            ctypes.c_void_p(self._network), ctypes.c_int32(training), ctypes.byref(self._weights),
            ctypes.byref(self._gradients), ctypes.byref(self._flat),
            ctypes.c_void_p(steps_taken.ctypes.data), ctypes.byref(view), ctypes.byref(hits),
        )  # fmt: skip
        return loss, hits.value

    def _pointers_to(self, weights: Weights, tied: TiedWeights) -> _Weights:
        self._kept += [*weights, *tied]
        return _Weights(*(array.ctypes.data for array in (*weights, *tied)))

    def _wiring(self, weights: Weights, tied: TiedWeights) -> _Wiring:
        plan = self._preparation.layout.plan
        forward, recurrent = plan.forward, plan.recurrent
        arrays = [
            np.ascontiguousarray(array, dtype=np.int32)
            for array in (
                forward.out_start, forward.out_target, recurrent.out_start, recurrent.out_target,
                plan.forward_channel, plan.recurrent_channel, plan.input_row, plan.output_unit,
                plan.sum_start, plan.sum_source, plan.computes,
            )
        ]  # fmt: skip
        self._kept += arrays
        channels, units = weights.bias.shape
        classes, outputs = weights.readout.shape
        inputs, gates, symbols = weights.input.shape
        return _Wiring(
            plan.cell, units, gates, channels, classes, outputs, inputs, symbols, plan.first_symbol,
            plan.read_padded, plan.every_step, *forward.out_start.shape, forward.out_target.shape[1],
            weights.forward.shape[1], recurrent.out_start.shape[1], recurrent.out_target.shape[1],
            weights.recurrent.shape[1],
            tied.embedding.shape[1], *(array.ctypes.data for array in arrays),
        )  # fmt: skip
