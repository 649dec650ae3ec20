"""The fields of a Structure as it keeps them: checked, frozen and in one order."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from nnstruct.checks import is_integer, plain
from nnstruct.errors import InvalidInputError, StructureError

# Numbers from 1, which a unit without that size has; those of a window that differ between its axes are text.
SIZES = ("width", "kernel", "stride", "dilation", "groups")
UNIT_ATTRIBUTES = ("operator", "activation", "stage", "channels", "join", *SIZES, "tie")


def frozen(array: np.ndarray) -> np.ndarray:
    """An array that is contiguous and not to be written to from now on.

    Parameters
    ----------
    array : array

    Returns
    -------
    array
        The same one where it is contiguous; it is locked then, too.
    """
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def as_edges(edge_index: Any, num_units: int) -> np.ndarray:
    """Edges as int64 [2, E], checked.

    Parameters
    ----------
    edge_index : array-like of int, shape [2, E]
    num_units : int

    Returns
    -------
    int64 [2, E]
        In the order given.

    Raises
    ------
    StructureError
        If it has another shape, holds no integers, or names a unit that is not there.
    """
    try:
        edges = np.asarray(edge_index)
    except ValueError as error:
        raise StructureError("edge_index", "have shape [2, E]", edge_index) from error
    if edges.size == 0:
        return np.zeros((2, 0), dtype=np.int64)
    if edges.ndim != 2 or edges.shape[0] != 2:
        raise StructureError("edge_index", "have shape [2, E]", list(edges.shape))
    if not np.issubdtype(edges.dtype, np.integer):
        raise StructureError("edge_index", "hold integers", str(edges.dtype))
    if edges.min() < 0 or edges.max() >= num_units:
        outside = (edges < 0) | (edges >= num_units)
        first = edges[:, np.flatnonzero(outside.any(axis=0))[0]].tolist()
        raise StructureError("edge_index", f"name units in 0..{num_units - 1}", first)
    # An array that nobody can write is taken as it is: large graphs need not be held twice.
    return edges.astype(np.int64, copy=edges.flags.writeable or not edges.flags.owndata)


def as_flags(name: str, flags: Any, length: int, default: np.ndarray | None = None) -> np.ndarray:
    """Flags as a new array, bool [length]; the default, or all False, where none are given.

    Parameters
    ----------
    name : str
        Of the field, for the error.
    flags : array-like of bool, shape [length], optional
    length : int
    default : bool [length], optional

    Returns
    -------
    bool [length]

    Raises
    ------
    StructureError
        If the flags are not bool or of another shape.
    """
    if flags is None:
        return np.zeros(length, dtype=bool) if default is None else default
    flags = np.asarray(flags)
    if flags.size == 0 and length == 0:
        return np.zeros(0, dtype=bool)
    if flags.dtype != bool or flags.shape != (length,):
        raise StructureError(name, f"be bool of shape [{length}]", f"{flags.dtype} {list(flags.shape)}")
    return flags.copy()


def in_canonical_order(
    edges: np.ndarray, recurrent: np.ndarray, residual: np.ndarray, num_units: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges and their flags, forward edges first, each kind sorted by source, then target.

    Parameters
    ----------
    edges : int64 [2, E]
    recurrent, residual : bool [E]
    num_units : int

    Returns
    -------
    edges : int64 [2, E]
    recurrent, residual : bool [E]

    Raises
    ------
    StructureError
        If an edge is given twice.
    """
    source, target = edges
    rising = (source[1:] > source[:-1]) | ((source[1:] == source[:-1]) & (target[1:] > target[:-1]))
    if (rising | (recurrent[1:] & ~recurrent[:-1])).all() and (recurrent[1:] >= recurrent[:-1]).all():
        return edges, recurrent, residual
    key = (recurrent * num_units + edges[0]) * num_units + edges[1]
    order = np.argsort(key, kind="stable")
    edges, recurrent, residual, key = edges[:, order], recurrent[order], residual[order], key[order]
    same = np.flatnonzero(key[1:] == key[:-1])
    if len(same):
        raise StructureError("edge_index", "hold each edge once", edges[:, same[0]].tolist())
    return edges, recurrent, residual


def as_attributes(attributes: Mapping[str, Any], num_units: int) -> Mapping[str, tuple[Any, ...]]:
    """Attributes of units by name, sorted, each a tuple of N strings or integers.

    Parameters
    ----------
    attributes : mapping of str to sequence of length N
    num_units : int
        N.

    Returns
    -------
    mapping of str to tuple
        It cannot be changed.

    Raises
    ------
    StructureError
        If a name is none of ``UNIT_ATTRIBUTES``, or values are too many, too few or of another kind.
    """
    checked: dict[str, tuple[Any, ...]] = {}
    if not isinstance(attributes, Mapping):
        raise StructureError("attributes", "be a mapping from name to values", attributes)
    unknown = [name for name in attributes if name not in UNIT_ATTRIBUTES]
    if unknown:
        raise StructureError("attributes", f"be among {', '.join(UNIT_ATTRIBUTES)}", unknown[0])
    for name in sorted(attributes):
        given = attributes[name]
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise StructureError(f"attributes[{name!r}]", f"be a sequence of {num_units} values", given)
        values = tuple(plain(value) for value in given)
        if len(values) != num_units:
            raise StructureError(f"attributes[{name!r}]", f"hold {num_units} values", len(values))
        # A bool equals an integer, but the two would not share a fingerprint.
        if not all(isinstance(value, str) or is_integer(value) for value in values):
            raise StructureError(f"attributes[{name!r}]", "hold strings or integers", values)
        if name in SIZES:
            wrong = [value for value in dict.fromkeys(values) if size_of(value) is None]
            if wrong:
                rule = "hold integers from 1, or text as '1x7'"
                raise StructureError(f"attributes[{name!r}]", rule, wrong[0])
            if all(value == 1 for value in values):
                continue  # so that a size that nobody has changes no fingerprint
        if name == "tie" and all(value == 0 for value in values):
            continue
        checked[name] = values
    return MappingProxyType(checked)


def size_of(value: Any) -> float | None:
    """One of :data:`SIZES` as a number: of a window, the side of a square with as many places.

    Parameters
    ----------
    value : int or str

    Returns
    -------
    float or None
        None for what is no size.

    Examples
    --------
    >>> size_of(3), size_of("2x8"), size_of("large")
    (3.0, 4.0, None)
    """
    if not isinstance(value, str):
        return float(value) if is_integer(value) and value >= 1 else None
    sides = value.split("x")
    if len(sides) < 2 or not all(side.isascii() and side.isdigit() and int(side) >= 1 for side in sides):
        return None
    return float(math.prod(int(side) for side in sides) ** (1 / len(sides)))


def all_attributes(attributes: Mapping[str, Any], residual: np.ndarray) -> dict[str, Any]:
    """Attributes as files hold them: with the places of residual edges, where there are any.

    Parameters
    ----------
    attributes : mapping of str to tuple
    residual : bool [E]

    Returns
    -------
    dict
        Files from before there were such edges, and structures without any, do without ``residual``.
    """
    places = np.flatnonzero(residual).tolist()
    return dict(attributes) | ({"residual": places} if places else {})


def residual_of(attributes: Any, num_edges: int) -> np.ndarray:
    """Which edges are residual; the entry of :func:`all_attributes` is taken out.

    Parameters
    ----------
    attributes : dict
        Changed.
    num_edges : int
        E.

    Returns
    -------
    bool [E]

    Raises
    ------
    IndexError
        If a place is not there.
    """
    residual = np.zeros(num_edges, dtype=bool)
    if isinstance(attributes, dict):
        residual[np.array(attributes.pop("residual", []), dtype=np.int64)] = True
    return residual


def canonical_json(value: Any) -> str:
    """JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


_SAME = frozenset({str, bool, type(None)})


class _NotPlainError(Exception):
    """A value that JSON would change, or has not."""


def _copied(value: Any) -> Any:
    """A copy of what JSON would give back as it is."""
    kind = type(value)
    if kind in _SAME or (kind is float and math.isfinite(value)):
        return value
    if kind is int and -(2**63) <= value < 2**64:  # Python refuses to write integers of thousands of digits
        return value
    if kind is list:
        return [_copied(item) for item in value]
    if kind is dict and all(type(key) is str for key in value):
        return {key: _copied(item) for key, item in value.items()}
    raise _NotPlainError


def as_origin(origin: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy of an origin that cannot be changed.

    Parameters
    ----------
    origin : mapping
        JSON values.

    Returns
    -------
    mapping

    Raises
    ------
    StructureError
        If it holds anything that JSON cannot, NaN and infinities included.
    """
    if not isinstance(origin, Mapping):
        raise StructureError("origin", "be a mapping", origin)
    try:
        return MappingProxyType(_copied(dict(origin)))
    except (_NotPlainError, RecursionError):
        pass
    try:
        return MappingProxyType(json.loads(json.dumps(dict(origin), allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise StructureError("origin", "hold JSON values only", dict(origin)) from error


def checked_keep(keep: Any, length: int) -> np.ndarray:
    """Which parts of a structure are kept, checked.

    Parameters
    ----------
    keep : bool [length]
    length : int

    Returns
    -------
    bool [length]

    Raises
    ------
    InvalidInputError
        If it is not bool or of another shape.
    """
    keep = np.asarray(keep)
    if keep.dtype != bool or keep.shape != (length,):
        raise InvalidInputError("keep", f"be bool of shape [{length}]", f"{keep.dtype} {list(keep.shape)}")
    return keep
