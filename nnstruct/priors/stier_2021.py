"""The graphs of Stier et al. (2021)."""

from __future__ import annotations

from nnstruct.checks import check_integer
from nnstruct.errors import StructureError
from nnstruct.priors.barabasi_albert import BarabasiAlbert
from nnstruct.priors.base import Prior
from nnstruct.priors.watts_strogatz import WattsStrogatz
from nnstruct.random import check_seed, generator
from nnstruct.structure import Structure

UNITS = (10, 50)
TRIES = 10


def stier2021(count: int, *, seed: int = 0, family: str = "rnn_tanh") -> list[Structure]:
    """Draw structures as Stier et al. (2021) drew them.

    Barabasi-Albert(n, n // 10) and connected Watts-Strogatz(n, n // 5, p=1, tries=10) take
    turns, with n uniform in 10..50, edges by index, and recurrent edges within each layer. A
    Watts-Strogatz graph that stays disconnected for ten tries is drawn again with the same n, so
    that n stays uniform. Draws are independent: unlike in :func:`nnstruct.priors.sample`, two of
    them may be isomorphic. The paper drew 200 for each of ``rnn_tanh``, ``rnn_relu``, ``gru`` and
    ``lstm``.

    Parameters
    ----------
    count : int
        Structures in all; the first is a Barabasi-Albert graph.
    seed : int
        The first k structures of a longer list are those of a list of k.
    family : str

    Returns
    -------
    list of Structure

    Raises
    ------
    InvalidInputError
        If ``count`` or ``seed`` is no integer or negative.
    UnknownNameError
        If no family has the name.

    References
    ----------
    Stier, Darji and Granitzer, "Experiments on Properties of Hidden Structures of Sparse Neural
    Networks", arXiv:2107.12917, 2021.

    Examples
    --------
    >>> from nnstruct.priors import stier2021
    >>> [structure.origin["prior"] for structure in stier2021(3, seed=0, family="gru")]
    ['barabasi-albert', 'watts-strogatz', 'barabasi-albert']
    """
    count, seed = check_integer(count, "count", low=0), check_seed(seed)
    return [_draw(index, seed, family) for index in range(count)]


def _draw(index: int, seed: int, family: str) -> Structure:
    rng = generator(seed, "stier2021", index)
    n = int(rng.integers(UNITS[0], UNITS[1] + 1))
    prior: Prior
    if index % 2 == 0:
        prior = BarabasiAlbert(units=n, m=n // 10)
    else:
        prior = WattsStrogatz(units=n, k=n // 5, p=1.0, tries=TRIES)
    while True:
        try:
            return prior.sample(int(rng.integers(2**32)), family=family)
        except StructureError:
            continue
