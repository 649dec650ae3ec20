"""The recurrent (one step delayed) edges that a graph of forward edges is given."""

from __future__ import annotations

import numpy as np

from nnstruct.checks import check_number
from nnstruct.random import check_seed, generator
from nnstruct.registry import Registry

RECURRENCES: Registry = Registry("recurrence")


@RECURRENCES.register("layer")
def _layer(forward: np.ndarray, layer: np.ndarray, rng: np.random.Generator, density: float) -> np.ndarray:
    return np.stack(np.nonzero(layer[:, None] == layer[None, :]))


@RECURRENCES.register("self")
def _self(forward: np.ndarray, layer: np.ndarray, rng: np.random.Generator, density: float) -> np.ndarray:
    return np.stack([np.arange(len(layer))] * 2)


@RECURRENCES.register("reverse")
def _reverse(forward: np.ndarray, layer: np.ndarray, rng: np.random.Generator, density: float) -> np.ndarray:
    return forward[::-1]


@RECURRENCES.register("random")
def _random(forward: np.ndarray, layer: np.ndarray, rng: np.random.Generator, density: float) -> np.ndarray:
    return np.stack(np.nonzero(rng.random((len(layer), len(layer))) < density))


@RECURRENCES.register("none")
def _none(forward: np.ndarray, layer: np.ndarray, rng: np.random.Generator, density: float) -> np.ndarray:
    return np.zeros((2, 0), dtype=np.int64)


_CERTAIN = (_layer, _self, _reverse, _none)  # draw nothing, so that no generator is made for them
_UNUSED = generator(0, "recurrence")


def recurrent_edges(
    recurrence: str, forward: np.ndarray, layer: np.ndarray, *, seed: int = 0, density: float = 0.1
) -> np.ndarray:
    """Delayed edges for a graph of forward edges.

    Parameters
    ----------
    recurrence : str
        ``layer``: from every unit of a layer to every unit of the same layer, itself included
        (the protocol of Stier et al., 2021). ``self``: from each unit to itself. ``reverse``:
        each forward edge also backwards. ``random``: each ordered pair of units with
        probability ``density``. ``none``: no edge.
    forward : int64 [2, E]
    layer : int64 [N]
    seed : int
        Used by ``random`` only.
    density : float
        In [0, 1]; used by ``random`` only.

    Returns
    -------
    int64 [2, E_recurrent]

    Raises
    ------
    UnknownNameError
        If there is no recurrence of that name.
    InvalidInputError
        If the seed or the density breaks its rule.

    Examples
    --------
    >>> import numpy as np
    >>> recurrent_edges("reverse", np.array([[0, 1], [1, 2]]), np.arange(3)).tolist()
    [[1, 2], [0, 1]]
    """
    density = check_number(density, "density", low=0, high=1)
    seed, rule = check_seed(seed), RECURRENCES[recurrence]
    rng = _UNUSED if rule in _CERTAIN else generator(seed, "recurrence")
    return rule(forward, layer, rng, density).astype(np.int64)
