"""From structures to a table of their properties."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.errors import InvalidInputError, NnstructError
from nnstruct.executors import THREADS, Executor, Lost, open_executor
from nnstruct.processes import check_workers
from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily, check_families
from nnstruct.properties.cache import ROWS, content_key
from nnstruct.properties.large import Advance, is_large
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.structure_files import structures_of

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client

    from nnstruct.network import Network

# Enough that a call's overhead vanishes, few enough that workers finish together.
_MOST_IN_CHUNK = 256


def features(
    structures: Iterable[Structure | Network] | Any,
    families: Sequence[str] = ("paper",),
    workers: int | None = 1,
    cache: bool = True,
    progress: bool = False,
    executor: str | Client | Executor = THREADS,
) -> pd.DataFrame:
    """The measures of each structure, by family.

    Beyond 5,000 units distances and shares of shortest paths are computed once for all units that colour
    refinement does not tell apart; where there are too many kinds, estimated from evenly spaced units.
    What takes n^3 steps (``motifs``, ``spectra``) and communicability are then left out, as NaN. See
    :mod:`nnstruct.properties.large`.

    Parameters
    ----------
    structures : iterable of S Structures or Networks, Benchmark, pair (structures, y), or path
        Of a benchmark those that have a label, in its order. The path is that of a file for
        :func:`nnstruct.load_structures`, or of a folder of a finished benchmark: all that it has.
    families : sequence of str
        Names in :data:`PROPERTY_FAMILIES`; columns come in this order.
    workers : int or None
        Threads, or processes with ``executor="local"``; None for one a CPU. The table is the same, bit for
        bit, for every number.
    cache : bool
        Whether to take rows that this process computed before for an equal structure, and to keep
        new ones (100,000 at most, the least recently used leave first).
    progress : bool
        Whether to show a bar.
    executor : str, distributed.Client or Executor
        Who computes: ``threads`` of this process, which suffice as the kernels let others run, ``local``
        processes, or a Dask cluster; see :func:`nnstruct.executors.open_executor`.

    Returns
    -------
    pandas.DataFrame
        A row a structure, in the order given; float64 columns named ``family.measure``, the same
        for every structure. A value is NaN where its measure is undefined; each family's module
        says where that is.

    Raises
    ------
    InvalidInputError
        If there is no structure, one of them is something else, an option is out of range, or a family
        needs directions that a structure's edges have not.
    UnknownNameError
        If a family is not registered.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.properties import features
    >>> table = features([Structure.from_layers([2, 3]), Structure.from_layers([1, 4, 1])])
    >>> table.shape
    (2, 23)
    >>> table["paper.nodes"].tolist(), table["paper.diameter"].tolist()
    ([5.0, 6.0], [2.0, 2.0])
    """
    import pandas as pd

    columns, values = measures(structures, families, workers, cache, progress, executor)
    return pd.DataFrame(values, columns=columns)


def measures(
    structures: Iterable[Structure | Network] | Any,
    families: Sequence[str] = ("paper",),
    workers: int | None = 1,
    cache: bool = True,
    progress: bool = False,
    executor: str | Client | Executor = THREADS,
) -> tuple[list[str], np.ndarray]:
    """The measures of each structure as names and numbers, without a pandas table.

    Parameters
    ----------
    structures, families, workers, cache, progress, executor
        As of :func:`features`.

    Returns
    -------
    names : list of str, length c
    values : float64 [S, c]

    Raises
    ------
    InvalidInputError, UnknownNameError
        As :func:`features`.
    """
    chosen = check_families(families, PROPERTY_FAMILIES)
    given = check_structures(structures_of(structures), empty=False)
    without = _without_directions(given, chosen)
    with (
        open_executor(executor, check_workers(workers)) as crew,
        _bar(len(chosen) * len(given), shown=progress) as advance,
    ):
        if cache:
            keys = [content_key(structure) for structure in given]
            blocks = [_cached(family, given, keys, crew, advance) for family in chosen]
        else:
            blocks = [_computed(family, given, crew, advance) for family in chosen]
    if without.any():
        blocks = [_undirected(family, block, without) for family, block in zip(chosen, blocks, strict=True)]
    columns = [column for family in chosen for column in family.columns]
    return columns, np.concatenate(blocks, axis=1)


def _without_directions(structures: list[Structure], chosen: list[PropertyFamily]) -> np.ndarray:
    """Whose edges have no direction, bool [S]; an error where a family needs directions for all it says."""
    named = {name for name in FAMILIES if FAMILIES[name].undirected}
    without = np.array([structure.family in named for structure in structures])
    needing = [family.name for family in chosen if not family.undirected]
    if without.any() and needing:
        able = [name for name in PROPERTY_FAMILIES if PROPERTY_FAMILIES[name].undirected]
        rule = f"be among {', '.join(able)} for graphs without directions ({', '.join(sorted(named))})"
        raise InvalidInputError("families", rule, needing, "The others count along the edges' directions.")
    return without


def _undirected(family: PropertyFamily, block: np.ndarray, without: np.ndarray) -> np.ndarray:
    """A family's rows with NaN for what needs directions, where there are none."""
    directed = np.array([name not in family.undirected for name in family.measures])
    return np.where(without[:, None] & directed, np.nan, block)


@contextmanager
def _bar(total: int, *, shown: bool) -> Iterator[Advance]:
    """A function that is told how many rows of one family more are done."""
    if not shown:
        yield lambda done: None
        return
    from nnstruct.progress import Progress

    with Progress(total, 0, what="features", unit="rows") as bar:
        yield lambda done: bar.advance(by=done)


def _computed(
    family: PropertyFamily, structures: list[Structure], crew: Executor, advance: Advance
) -> np.ndarray:
    """Rows of all structures, float64 [S, C]."""
    own = family.large
    alone = np.array([own is not None and is_large(structure) for structure in structures])
    rows = np.empty((len(structures), len(family.measures)))
    usual = [structure for structure, far in zip(structures, alone, strict=True) if not far]
    if usual:
        rows[~alone] = _by_crew(family, usual, crew, advance)
    for place in np.flatnonzero(alone):
        if own is not None:
            rows[place] = own(structures[place], advance)
    return rows


def _by_crew(
    family: PropertyFamily, structures: list[Structure], crew: Executor, advance: Advance
) -> np.ndarray:
    size = max(1, min(_MOST_IN_CHUNK, -(-len(structures) // (4 * crew.workers))))
    chunks = [structures[at : at + size] for at in range(0, len(structures), size)]
    if len(chunks) == 1:
        advance(len(structures))
        return family.compute(structures)
    rows: list[np.ndarray] = [np.zeros(0)] * len(chunks)
    costs = [float(sum(s.num_edges + s.num_units for s in chunk)) for chunk in chunks]
    for place, block in crew.run(_compute_some, chunks, shared=family.compute, costs=costs):
        if isinstance(block, Lost):
            raise NnstructError(f"The measures {family.name!r} were not computed: {block.reason}.")
        rows[place] = block
        advance(len(block))
    return np.concatenate(rows)


def _compute_some(
    compute: Callable[[Sequence[Structure]], np.ndarray], chunks: list[list[Structure]]
) -> list[np.ndarray]:
    return [compute(chunk) for chunk in chunks]


def _cached(
    family: PropertyFamily,
    structures: list[Structure],
    contents: list[bytes],
    crew: Executor,
    advance: Advance,
) -> np.ndarray:
    """Rows of all structures, float64 [S, C], those kept from before not computed again."""
    keys = [(family.name, content) for content in contents]
    structure_of = dict(zip(keys, structures, strict=True))

    def compute(missing: list[tuple[str, bytes]]) -> list[np.ndarray]:
        advance(len(structures) - len(missing))
        rows = _computed(family, [structure_of[key] for key in missing], crew, advance)
        return [row.copy() for row in rows]  # views would keep the whole block alive

    return np.stack(ROWS.lookup(keys, compute))
