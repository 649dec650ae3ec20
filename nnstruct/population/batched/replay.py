"""Steps of the same shape, replayed as one CUDA graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

# The first steps of a length run plainly: they set up the libraries, and a length that hardly occurs
# is not worth a graph.
PLAIN_STEPS = 3


class Replayed:
    """A function of positions and a number of steps; on CUDA it becomes a graph for each such number.

    A training step is thousands of small kernels; a graph launches them without Python.

    Parameters
    ----------
    function : callable (int64 Tensor [S, B], int) -> None
        Works on fixed tensors in place and never waits for the device.
    device : torch.device
    """

    def __init__(self, function: Callable[[Tensor, int], None], device: torch.device) -> None:
        self.function, self.on_gpu = function, device.type == "cuda"
        self._calls: Counter[int] = Counter()
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def __call__(self, positions: Tensor, steps: int) -> None:
        if not self.on_gpu:
            self.function(positions, steps)
            return
        self._calls[steps] += 1
        if self._calls[steps] <= PLAIN_STEPS:
            self.function(positions, steps)
            return
        if steps not in self._graphs:
            self._graphs[steps] = self._capture(positions, steps)
        graph, given = self._graphs[steps]
        given.copy_(positions)
        graph.replay()

    def _capture(self, positions: Tensor, steps: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Recorded, not run. Graphs never run at the same time, so they share their memory."""
        given = positions.clone()
        pool = next(iter(self._graphs.values()))[0].pool() if self._graphs else None
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            self.function(given, steps)
        return graph, given
