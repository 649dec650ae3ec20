"""Where a unit stands in the forward graph, as numbers that one sweep over the layers gives."""

from __future__ import annotations

import numpy as np


def path_counts(edges: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Natural logarithm of the number of paths from any source that end in each unit.

    Parameters
    ----------
    edges : int64 [2, E]
        Forward edges of a directed acyclic graph.
    layer : int64 [N]
        Longest path from a source.

    Returns
    -------
    float64 [N]

    Examples
    --------
    >>> import numpy as np
    >>> counts = path_counts(np.array([[0, 0, 1, 2], [1, 2, 3, 3]]), np.array([0, 1, 1, 2]))
    >>> np.exp(counts).round().tolist()
    [1.0, 1.0, 1.0, 2.0]
    """
    count = np.where(layer == 0, 0.0, -np.inf)
    for source, target in _by_target_layer(edges, layer):
        np.logaddexp.at(count, target, count[source])
    return count


def unit_flow(edges: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Logarithm of the expected visits to each unit, times N, of walks along the forward edges.

    A walk starts at each source with equal chance and leaves a unit by each of its edges with
    equal chance.

    Parameters
    ----------
    edges : int64 [2, E]
    layer : int64 [N]

    Returns
    -------
    float64 [N]

    Examples
    --------
    >>> import numpy as np
    >>> flow = unit_flow(np.array([[0, 0, 1, 2], [1, 2, 3, 3]]), np.array([0, 1, 1, 2]))
    >>> (np.exp(flow) / 4).round(6).tolist()
    [1.0, 0.5, 0.5, 1.0]
    """
    n = len(layer)
    with np.errstate(divide="ignore"):
        leaving = np.log(np.bincount(edges[0], minlength=n))
    flow = np.where(layer == 0, -np.log((layer == 0).sum()), -np.inf)
    for source, target in _by_target_layer(edges, layer):
        np.logaddexp.at(flow, target, flow[source] - leaving[source])
    return flow + np.log(n)


def sinusoids(layer: np.ndarray, waves: int) -> list[np.ndarray]:
    """Sine and cosine of the layer at geometric wavelengths (Vaswani et al., 2017, arXiv:1706.03762).

    Parameters
    ----------
    layer : int64 [N]
    waves : int
        Wavelengths, each twice the one before.

    Returns
    -------
    list of 2 * waves float64 [N]

    Examples
    --------
    >>> import numpy as np
    >>> len(sinusoids(np.arange(3), 2))
    4
    """
    angles = [layer * 2.0**-k for k in range(waves)]
    return [wave(angle) for angle in angles for wave in (np.sin, np.cos)]


def _by_target_layer(edges: np.ndarray, layer: np.ndarray) -> list[np.ndarray]:
    depth = layer[edges[1]]
    ordered = edges[:, np.argsort(depth, kind="stable")]
    return np.split(ordered, np.cumsum(np.bincount(depth))[:-1], axis=1) if edges.shape[1] else []
