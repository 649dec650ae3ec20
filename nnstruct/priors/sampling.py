"""Distinct structures of a Space, every prior in turn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.executors import LOCAL, Executor, Lost, open_executor
from nnstruct.priors.attributes import draw_attributes
from nnstruct.priors.base import PRIORS, Prior
from nnstruct.priors.editions import NEWEST, of_edition
from nnstruct.random import check_seed, generator
from nnstruct.structure import Structure
from nnstruct.structure.checks import STRUCTURE_BYTES
from nnstruct.structure.space import Space

if TYPE_CHECKING:
    from distributed import Client

ATTEMPTS = 50


def sample(
    space: Space,
    n: int,
    *,
    seed: int = 0,
    priors: Sequence[str | Prior] | None = None,
    edition: int | None = None,
    workers: int | None = 1,
    executor: str | Client | Executor = LOCAL,
) -> list[Structure]:
    """Draw structures of a Space from every prior in turn, all distinct by fingerprint.

    For each structure of a prior that is given by name, parameters are drawn anew
    (:meth:`Prior.draw`). Attributes of units that the space says something of are drawn by
    :func:`draw_attributes`, with the seed in the structure's origin. A prior that finds nothing new
    in 50 attempts leaves the turn, and the others go on without it.

    Parameters
    ----------
    space : Space
    n : int
        Structures wanted.
    seed : int
        The first k structures of a longer list are those of a list of k.
    priors : sequence of str or Prior, optional
        Names from ``PRIORS``, or priors with fixed parameters. By default every registered prior but
        those of which ``in_turn`` is False: ``expander``, ``lognormal-fan-in``, ``small-world-flex`` and
        ``strong-community``. Those without parameters for the space are left out.
    edition : int, optional
        Of the priors that have several (:class:`nnstruct.priors.editions.EditedPrior`) and are given by name.
        By default the newest in the family ``cnn`` and the first in others, where tied weights train in
        PyTorch alone, some 200 times slower.
    workers : int or None
        Processes that draw; None for one a CPU. The structures are the same.
    executor : str, distributed.Client or Executor
        Who draws; see :func:`nnstruct.executors.open_executor`.

    Returns
    -------
    list of Structure
        n structures inside the space, without dead units; ``origin`` says how to draw each again.

    Raises
    ------
    InvalidInputError
        If a prior that was asked for gives nothing inside the space, or distinct structures run
        out before there are ``n``.

    Examples
    --------
    >>> from nnstruct import Space
    >>> from nnstruct.priors import ErdosRenyi, sample
    >>> space = Space("rnn_tanh", units=(10, 50))
    >>> structures = sample(space, 20, seed=0)
    >>> len({structure.fingerprint for structure in structures}), all(map(space.contains, structures))
    (20, True)
    >>> few = sample(space, 3, seed=0, priors=["barabasi-albert", ErdosRenyi(units=10, p=0.5)])
    >>> [structure.origin["prior"] for structure in few]
    ['barabasi-albert', 'erdos-renyi', 'barabasi-albert']
    """
    if not isinstance(space, Space):
        raise InvalidInputError("space", "be a Space", space)
    n = check_integer(n, "n", low=0, each=STRUCTURE_BYTES)
    if edition is None:
        edition = NEWEST if space.family == "cnn" else 1
    edition = check_integer(edition, "edition", low=1, high=NEWEST)
    sources = _sources(priors, edition)
    with open_executor(executor, workers) as crew:
        if crew.workers > 1 or crew.note:
            _draw_ahead(crew, sources, space, check_seed(seed), n)
    found = list(islice(_distinct(sources, space, check_seed(seed), strict=priors is not None), n))
    if len(found) < n:
        raise InvalidInputError(
            "n",
            f"be at most {len(found)}, the distinct structures that these priors give in {space}",
            n,
            "Widen the space or name more priors.",
        )
    return found


class _Source:
    """Draws structures of one prior, given by its class or with fixed parameters."""

    def __init__(self, prior: type[Prior] | Prior, edition: int | None = None) -> None:
        self.prior, self.edition = prior, edition
        self.turn = 0
        self.reason = ""
        self.drafts: dict[int, Structure | str] = {}  # by turn, what the first attempt gives
        self.label = json.dumps(prior.to_dict(), sort_keys=True) if isinstance(prior, Prior) else prior.name

    def next(self, space: Space, seed: int, seen: _Seen) -> Structure | None:
        """A structure inside the space that was not seen before; None after ATTEMPTS failures."""
        # Keyed by the source's own turn, so that its draws do not hang on which others take part.
        for attempt in range(ATTEMPTS):
            structure = None if attempt else self.drafts.pop(self.turn, None)
            if structure is None:
                structure = self.draft(space, seed, self.turn, attempt)
            if isinstance(structure, str):
                self.reason = structure
                continue
            violation = space.violation(structure)
            if violation or structure in seen:
                self.reason = f"{structure!r}: {violation or 'it was drawn before'}."
                continue
            self.turn += 1
            return structure
        return None

    def draft(self, space: Space, seed: int, turn: int, attempt: int) -> Structure | str:
        """What an attempt gives, whatever was drawn before it: a structure, or why there is none."""
        rng = generator(seed, "priors", self.label, turn, attempt)
        try:
            if isinstance(self.prior, Prior):
                prior = self.prior
            else:
                prior = of_edition(self.prior.draw(space, rng), self.edition)
            drawn = int(rng.integers(2**32))
            structure = prior.sample(drawn, family=space.family, recurrence=space.recurrence_at(drawn))
            return draw_attributes(structure, space, seed=drawn, wishes=prior.cell_attributes())
        except InvalidInputError as error:
            return str(error)


def _draw_ahead(crew: Executor, sources: list[_Source], space: Space, seed: int, n: int) -> None:
    """Have workers make the first attempts of so many turns as n structures take where none fails."""
    places = [(at, turn) for turn in range(-(-n // len(sources))) for at in range(len(sources))][:n]
    for place, draft in crew.run(_draft_some, places, shared=(sources, space, seed)):
        if not isinstance(draft, Lost):  # what was lost is drawn here
            at, turn = places[place]
            sources[at].drafts[turn] = draft


def _draft_some(
    shared: tuple[list[_Source], Space, int], places: list[tuple[int, int]]
) -> list[Structure | str]:
    sources, space, seed = shared
    return [sources[at].draft(space, seed, turn, 0) for at, turn in places]


class _Seen:
    """Structures by their fingerprint, which is computed only where degrees do not tell them apart."""

    def __init__(self) -> None:
        self._by_degrees: dict[bytes, list[Structure]] = {}
        self._last: tuple[Structure | None, bytes] = (None, b"")

    def __contains__(self, structure: Structure) -> bool:
        alike = self._by_degrees.get(self._key(structure), ())
        return any(structure.fingerprint == other.fingerprint for other in alike)

    def add(self, structure: Structure) -> None:
        self._by_degrees.setdefault(self._key(structure), []).append(structure)

    def _key(self, structure: Structure) -> bytes:
        """Its degrees; those of the structure that was asked of last are remembered."""
        if self._last[0] is not structure:
            self._last = (structure, _degrees(structure))
        return self._last[1]


def _degrees(structure: Structure) -> bytes:
    """The same for every relabelling: of each unit its layer and its degrees, sorted."""
    n, forward, delayed = structure.num_units, structure.forward_edges, structure.recurrent_edges
    columns = [structure.layer, *(np.bincount(row, minlength=n) for row in (*forward, *delayed))]
    code = np.zeros(n, dtype=np.uint64)
    for column in columns:
        code = code * np.uint64(1_000_003) + column.astype(np.uint64)
    return np.sort(code).tobytes()


def _sources(priors: Sequence[str | Prior] | None, edition: int | None) -> list[_Source]:
    if priors is None:
        return [_Source(PRIORS[name], edition) for name in PRIORS if PRIORS[name].in_turn]
    if isinstance(priors, str) or not isinstance(priors, Sequence) or not len(priors):
        raise InvalidInputError("priors", "be a sequence of names or priors, at least one", priors)
    sources = []
    for prior in priors:
        if not isinstance(prior, str | Prior):
            raise InvalidInputError("priors", "hold names or priors", prior)
        sources.append(_Source(PRIORS[prior] if isinstance(prior, str) else prior, edition))
    return sources


def _distinct(sources: list[_Source], space: Space, seed: int, *, strict: bool) -> Iterator[Structure]:
    seen = _Seen()
    active = list(sources)
    while active:
        for source in list(active):
            structure = source.next(space, seed, seen)
            if structure is None:
                active.remove(source)
                if strict and not source.turn:
                    raise InvalidInputError(
                        "priors", "each give a new structure inside the space", source.label, source.reason
                    )
                continue
            seen.add(structure)
            yield structure
