"""Structures of networks made of a normal and a reduction cell, as DARTS writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.structure.structure import Structure

STRIDED_SKIP = "skip_stride2"
_NAMES = {
    "skip_connect": "identity",
    "none": "none",
    "conv_7x1_1x7": "conv7x1-1x7",
    "conv_3x1_1x3": "conv3x1-1x3",
}


class Genotype(NamedTuple):
    """Two cells; of each node's two operators the name and which state they read.

    The states of a cell are the output of the cell before the last (0), that of the last (1), and the
    cell's own nodes (2, 3, ...).
    """

    normal: Sequence[tuple[str, int]]
    normal_concat: Sequence[int]
    reduce: Sequence[tuple[str, int]]
    reduce_concat: Sequence[int]


def genotype_structures(
    genotypes: Sequence[Genotype],
    depths: Sequence[int | None],
    widths: Sequence[int | None],
    origins: Sequence[Mapping[str, Any]],
) -> list[Structure]:
    """Structures of the rows of a table.

    Where all rows have one number of cells, each is a pair: a normal cell, then a reduction cell that reads
    it. Else each is the whole stack, reductions after a third and two thirds of the cells, as in DARTS.

    Parameters
    ----------
    genotypes : sequence of Genotype, length n
    depths : sequence of int or None, length n
        Cells of each network.
    widths : sequence of int or None, length n
        Channels of the first cells; each reduction doubles them.
    origins : sequence of mapping, length n

    Returns
    -------
    list of Structure
    """
    stacked = len(set(depths)) > 1 and None not in depths
    return [
        genotype_structure(genotype, depth if stacked else None, width, origin)
        for genotype, depth, width, origin in zip(genotypes, depths, widths, origins, strict=True)
    ]


def genotype_structure(
    genotype: Genotype, depth: int | None, width: int | None, origin: Mapping[str, Any]
) -> Structure:
    """The structure of one network.

    Every operator is a unit that adds up what it reads. A cell's output is a unit ``concat``, that of the
    last cell is ``output``. A skip over a reduction is ``skip_stride2``, a strided convolution.

    Parameters
    ----------
    genotype : Genotype
    depth : int, optional
        Cells; without it the pair of :func:`genotype_structures`. The pair reads two inputs, ``input`` and
        ``input_before``; a stack begins with one.
    width : int, optional
    origin : mapping

    Returns
    -------
    Structure
        Of the family ``module``, with stages, and channels where ``width`` is given.

    Raises
    ------
    InvalidInputError
        If an operator reads a state that is not there yet.

    Examples
    --------
    >>> cell = [("sep_conv_3x3", 0), ("skip_connect", 1)]
    >>> pair = genotype_structure(Genotype(cell, [2], cell, [2]), None, None, {})
    >>> pair.attributes["operator"]
    ('input_before', 'input', 'sepconv3x3', 'identity', 'concat', 'sepconv3x3', 'skip_stride2', 'output')
    """
    reductions = {1} if depth is None else {depth // 3, 2 * depth // 3}
    operators = ["input_before", "input"] if depth is None else ["input"]
    stages, edges, stage = [0] * len(operators), [], 0
    states = [[0], [len(operators) - 1]]
    for cell in range(2 if depth is None else depth):
        reducing = cell in reductions
        stage += reducing
        pairs = genotype.reduce if reducing else genotype.normal
        concat = genotype.reduce_concat if reducing else genotype.normal_concat
        inside = list(states)
        for first in range(0, len(pairs), 2):
            made = []
            for name, read in pairs[first : first + 2]:
                if not 0 <= read < len(inside):
                    raise InvalidInputError("genotype", f"read states below {len(inside)} here", read)
                operators.append(_named(name, strided=reducing and read < 2))
                edges += [(unit, len(operators) - 1) for unit in inside[read]]
                made.append(len(operators) - 1)
            inside.append(made)
        operators.append("concat")
        if not concat or not all(0 <= state < len(inside) for state in concat):
            raise InvalidInputError("genotype", f"concatenate states below {len(inside)}", list(concat))
        read_out = dict.fromkeys(unit for state in concat for unit in inside[state])
        edges += [(unit, len(operators) - 1) for unit in read_out]
        stages += [stage] * (len(operators) - len(stages))
        states = [states[1], [len(operators) - 1]]
    operators[-1] = "output"
    attributes: dict[str, tuple[Any, ...]] = {"operator": tuple(operators), "stage": tuple(stages)}
    if width is not None:
        attributes["channels"] = tuple(width << stage for stage in stages)
    place = np.arange(len(operators))
    return Structure(
        np.array(edges, dtype=np.int64).T,
        len(operators),
        family="module",
        inputs=place < (2 if depth is None else 1),
        outputs=place == len(operators) - 1,
        attributes=attributes,
        origin=dict(origin),
    )


def _named(name: str, *, strided: bool) -> str:
    if name == "skip_connect" and strided:
        return STRIDED_SKIP
    return _NAMES.get(name, name.replace("_", ""))
