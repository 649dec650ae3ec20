"""What a notebook shows of a Network: its structure, drawn by its weights, and how large they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnstruct.structure.panel import panel
from nnstruct.structure.sketch import facts_of, sketch

if TYPE_CHECKING:
    from nnstruct.network.network import Network


def network_panel(network: Network) -> str:
    """What a notebook shows of a network.

    Parameters
    ----------
    network : Network
        An edge of one weight is drawn by its sign and size; one of several by the root mean square of them.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> network = Network(Structure.from_layers([2, 2]), np.ones((4, 1)), np.zeros((4, 1)))
    >>> "4, none of them zero" in network._repr_html_()
    True
    """
    structure, weight = network.structure, network.weight
    facts = facts_of(structure)
    zeros = int(np.count_nonzero(weight == 0))
    said = "none of them zero" if not zeros else f"{zeros:,} of them zero"
    facts.append(("weights", f"{weight.size:,}, {said}"))
    if weight.size:
        size = np.abs(weight)
        facts.append(("size of a weight", f"{size.mean():.3g} in the mean, {size.max():.3g} at most"))
    if network.bias.size:
        facts.append(("biases", f"{network.bias.size:,}"))
    for name, value in network.tensors.items():
        facts.append((name, " x ".join(map(str, value.shape)) or "1"))
    if network.opaque:
        facts.append(("not known", ", ".join(network.opaque)))
    strength = (
        weight[:, 0] if weight.shape[1] == 1 else np.sqrt((weight.astype(np.float64) ** 2).mean(axis=1))
    )
    shown = None if not weight.size else strength
    return panel(f"{type(network).__name__}, {structure.family}", facts, [sketch(structure, shown)])
