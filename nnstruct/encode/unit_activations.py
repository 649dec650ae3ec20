"""What each unit of a trained network answers to inputs."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network import Network

_known: WeakKeyDictionary[Network, tuple[bytes, np.ndarray]] = WeakKeyDictionary()


def unit_activations(network: Network, inputs: np.ndarray) -> np.ndarray:
    """The activation of each unit for each input: the mean over a map's positions, a sequence's last state.

    The network runs as it was trained, with a read-out that hands each unit on.

    Parameters
    ----------
    network : Network
        With its input weights and read-out, as a training leaves it, of the family ``mlp``, ``cnn`` or a
        recurrent one.
    inputs : array [P, ...]
        Images, vectors, or sequences of symbols from 1 on, int [P, T], without padding.

    Returns
    -------
    float32 [N, P]
        Zeros for units that no input reaches; the mean over the channels of a unit with several.

    Raises
    ------
    InvalidInputError
        If the network cannot run, or the inputs do not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> from nnstruct.encode.unit_activations import unit_activations
    >>> tensors = {"input_weight": np.ones((1, 2, 1)), "readout_weight": [[1.0]], "readout_bias": [0.0]}
    >>> network = Network(Structure.from_layers([1, 1]), [[3.0]], [[1.0], [-5.0]], tensors)
    >>> unit_activations(network, np.array([[1.0, 1.0], [0.0, 0.0]])).tolist()  # relu
    [[3.0, 1.0], [4.0, 0.0]]
    """
    given = np.ascontiguousarray(inputs)
    digest = given.tobytes() + str((given.shape, given.dtype)).encode()
    kept = _known.get(network)
    if kept is None or kept[0] != digest:
        kept = (digest, _activations(network, given))
        _known[network] = kept
    return kept[1]


def _activations(network: Network, inputs: np.ndarray) -> np.ndarray:
    import torch

    from nnstruct.modules import module_from_network

    structure = network.structure
    seen = structure.reachability.from_input
    channels = np.array(structure.attributes.get("channels", (1,) * structure.num_units), dtype=np.int64)[
        seen
    ]
    width = int(channels.sum())
    tensors = {**network.tensors, "readout_weight": np.eye(width), "readout_bias": np.zeros(width)}
    opened = replace(structure, outputs=seen)
    module = module_from_network(Network(opened, network.weight, network.bias, tensors)).eval()
    try:
        with torch.no_grad():
            if structure.family in ("mlp", "cnn", "module"):
                found = module(torch.tensor(inputs, dtype=torch.float32))
            else:
                symbols = torch.tensor(inputs, dtype=torch.int64)
                found = module(symbols, torch.full((len(inputs),), symbols.shape[1]))
    except (RuntimeError, IndexError, ValueError) as error:
        rule = "be inputs that the network takes"
        raise InvalidInputError("probes", rule, list(inputs.shape), str(error).splitlines()[0]) from error
    values = np.zeros((structure.num_units, len(inputs)), dtype=np.float32)
    sums = np.add.reduceat(found.double().numpy(), np.cumsum(channels) - channels, axis=1)  # [P, units seen]
    values[seen] = (sums / channels).T
    return values
