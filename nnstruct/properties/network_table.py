"""From trained Networks to a table of their properties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.properties.base import PropertyFamily, check_families
from nnstruct.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

NETWORK_FAMILIES: Registry[PropertyFamily] = Registry(
    "network property family", about=lambda family: family.about
)


def network_features(networks: Iterable[Network], families: Sequence[str] = ("weights",)) -> pd.DataFrame:
    """The measures of each network's weights, by family.

    Parameters
    ----------
    networks : iterable of S Networks
    families : sequence of str
        Names in :data:`NETWORK_FAMILIES`; columns come in this order.

    Returns
    -------
    pandas.DataFrame
        A row a network, in the order given; float64 columns named ``family.measure``, the same for
        every network. A value is NaN where its measure is undefined; each family's module says where
        that is.

    Raises
    ------
    InvalidInputError
        If there is no network, or one of them is something else.
    UnknownNameError
        If a family is not registered.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> from nnstruct.properties import network_features
    >>> network = Network(Structure.from_layers([2, 2]), np.ones((4, 1)), np.zeros((4, 1)))
    >>> network_features([network], ["weights"])["weights.forward_mean"].tolist()
    [1.0]
    """
    import pandas as pd

    chosen = check_families(families, NETWORK_FAMILIES)
    given = check_networks(networks)
    columns = [column for family in chosen for column in family.columns]
    return pd.DataFrame(np.concatenate([family.compute(given) for family in chosen], axis=1), columns=columns)


def check_networks(networks: Iterable[Network]) -> list[Network]:
    """The networks as a list; an error for none or for something else."""
    if isinstance(networks, Network) or not isinstance(networks, Iterable):
        hint = "Write [network]." if isinstance(networks, Network) else ""
        raise InvalidInputError("networks", "be a list of Networks", networks, hint)
    given = list(networks)
    if not given:
        raise InvalidInputError("networks", "hold at least one Network", given)
    for place, network in enumerate(given):
        if not isinstance(network, Network):
            hint = "nnstruct.population.train_network trains one."
            raise InvalidInputError(f"networks[{place}]", "be a Network", network, hint)
    return given
