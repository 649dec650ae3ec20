"""Columns that tell what the units of a structure are and in which order they follow each other.

A unit's label is the value of one of its attributes, as text. Labels, sequences and values are those of the
structures seen in ``learn``; what comes later and was not among them adds to no column. Counts do not
depend on the order of the units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnstruct.properties.packing import pack, starts
from nnstruct.structure import Structure
from nnstruct.structure.fields import SIZES, size_of
from nnstruct.structure.operator_kinds import is_identity
from nnstruct.structure.reduction import ContractedGraph, contract
from nnstruct.structure.units import ATTRIBUTES_OF, UNIT_DEFAULTS

MOST_LABELS = 48  # of one attribute; rarer ones share a label
MOST_GRAMS = 512  # columns of one group
MOST_VALUES = 12  # of an attribute of numbers, for each to have a column of its own
# Whole sequences are counted where a structure has at most so many edges, no unit ends more of them, and
# none is longer.
MOST_EDGES, MOST_SEQUENCES, LONGEST = 256, 64, 12
LABELLED = ("operator", "activation")
OTHER, ABSENT = "(other)", "(none)"
_IN_UNITS = ("channels", "stage")  # whose sums and means are measures of the family "units"


class ColumnBlock(NamedTuple):
    """Some columns of a group: their names, and float64 [S, names]."""

    group: str
    names: list[str]
    values: np.ndarray


def values_of(structure: Structure, name: str) -> tuple[Any, ...]:
    """An attribute of each unit; where there is none, 1 for a size, the family's default or ``(none)``."""
    values = structure.attributes.get(name)
    if values is not None:
        return values
    if name in SIZES:
        return (1,) * structure.num_units
    known = name in ATTRIBUTES_OF.get(structure.family, ())
    return (UNIT_DEFAULTS[name] if known else ABSENT,) * structure.num_units


def learn(structures: Sequence[Structure]) -> dict[str, Any]:
    """What there is to count in trimmed structures: labels, values, sequences.

    Parameters
    ----------
    structures : sequence of Structure
        Trimmed; those that occur twice may be given once.

    Returns
    -------
    dict
        Lists of str and int and arrays of int64 by name, for :func:`blocks`.
    """
    names = sorted({name for structure in structures for name in structure.attributes} - {"tie"})
    numeric = [name for name in names if name in SIZES or all(_is_numeric(s, name) for s in structures)]
    labels = {name: _frequent(_labels(s, name) for s in structures) for name in names if name not in numeric}
    few: dict[str, list[Any]] = {}
    for name in numeric:
        found = {value for s in structures for value in values_of(s, name) if value != ABSENT}
        if len(found) <= MOST_VALUES:
            few[name] = sorted(found, key=_by_size)
    learned: dict[str, Any] = {"labels": labels, "few": few, "numeric": numeric}
    grams = {}
    for name in _in_grams(learned):
        for group, counted in _gram_counts(structures, labels[name], name):
            grams[f"{group} {name}"] = _kept_codes(counted, len(structures))
    sequences = {}
    for name in _in_grams(learned):
        found_in = Counter(key for s in structures for key in _sequences(s, labels[name], name) or ())
        sequences[name] = [list(key) for key in _most_common(found_in, len(structures))]
    return learned | {"grams": grams, "sequences": sequences}


def blocks(structures: Sequence[Structure], learned: dict[str, Any]) -> list[ColumnBlock]:
    """The columns of trimmed structures, in groups.

    Parameters
    ----------
    structures : sequence of S Structures, trimmed
    learned : dict
        From :func:`learn`.

    Returns
    -------
    list of ColumnBlock
        Of the groups ``counts`` (units by value of an attribute), ``ngrams`` (paths of two and three units
        by label), ``sequences`` (whole paths from input to output), ``contracted`` (``ngrams`` with each
        identity replaced by edges), ``channels`` (by operator and stage) and ``most`` (on one path).
    """
    labels = learned["labels"]
    found = [*_count_blocks(structures, learned), *_channel_blocks(structures, learned)]
    for name in _in_grams(learned):
        for group, counted in _gram_counts(structures, labels[name], name):
            codes = learned["grams"].get(f"{group} {name}")
            if codes is not None and len(codes):
                texts = [_gram_name(int(code), [*labels[name], OTHER]) for code in codes]
                gram_names = [f"{group}.{text}" for text in texts]
                found.append(ColumnBlock(group, gram_names, _table(counted, codes, len(structures))))
        found.append(_sequence_block(structures, learned, name))
        found.append(_most_block(structures, labels[name], name))
    return found


def _in_grams(learned: dict[str, Any]) -> list[str]:
    return [name for name in LABELLED if len(learned["labels"].get(name, ())) > 1]


def _is_numeric(structure: Structure, name: str) -> bool:
    return all(not isinstance(value, str) or value == ABSENT for value in values_of(structure, name))


def _by_size(value: Any) -> tuple[float, str]:
    size = size_of(value)
    return float(value) if size is None else size, str(value)


def _labels(structure: Structure, name: str) -> list[str]:
    return [str(value) for value in values_of(structure, name)]


def _most_common(found_in: Counter[Any], total: int) -> list[Any]:
    """Keys that occur in two structures or more, the most frequent ones, in order."""
    least = min(2, total)
    ranked = sorted((-count, key) for key, count in found_in.items() if count >= least)
    return sorted(key for _, key in ranked[:MOST_GRAMS])


def _frequent(labelled: Iterable[list[str]]) -> list[str]:
    found_in = Counter(label for labels in labelled for label in sorted(set(labels)))
    ranked = sorted((-count, label) for label, count in found_in.items())
    return sorted(label for _, label in ranked[:MOST_LABELS])


def _codes_of(labels: Iterable[str], known: list[str]) -> list[int]:
    place = {label: code for code, label in enumerate(known)}
    return [place.get(label, len(known)) for label in labels]


# ---- counts of values


def _count_blocks(structures: Sequence[Structure], learned: dict[str, Any]) -> list[ColumnBlock]:
    found = []
    for name, known in (learned["labels"] | learned["few"]).items():
        texts = [str(value) for value in known]
        values = np.zeros((len(structures), len(texts) + 1))
        for row, structure in enumerate(structures):
            codes = _codes_of(_labels(structure, name), texts)
            values[row] = np.bincount(codes, minlength=len(texts) + 1)
        found.append(ColumnBlock("counts", [f"counts.{name}={text}" for text in [*texts, OTHER]], values))
    for name in learned["numeric"]:
        if name not in _IN_UNITS:
            rows = [_summary(structure, name) for structure in structures]
            parts = ("sum", "mean", "min", "max")
            found.append(ColumnBlock("counts", [f"counts.{name}_{part}" for part in parts], np.array(rows)))
    return found


def _numbers(structure: Structure, name: str) -> np.ndarray:
    given = values_of(structure, name)
    number = {v: (size_of(v) if name in SIZES else np.nan if isinstance(v, str) else v) for v in set(given)}
    return np.array([number[v] for v in given], dtype=np.float64)


def _summary(structure: Structure, name: str) -> list[float]:
    values = _numbers(structure, name)
    return [values.sum(), values.mean(), values.min(), values.max()]


def _channel_blocks(structures: Sequence[Structure], learned: dict[str, Any]) -> list[ColumnBlock]:
    """Channels by operator and by stage, and units by both."""
    operators = learned["labels"].get("operator", [])
    stages = [str(stage) for stage in learned["few"].get("stage", [])]
    columns: list[str] = []
    columns += [f"operator={operator}" for operator in operators] if "channels" in learned["numeric"] else []
    columns += [f"stage={stage}" for stage in stages] if "channels" in learned["numeric"] else []
    columns += [f"{operator}@{stage}" for operator in operators for stage in stages]
    if not columns:
        return []
    place = {column: at for at, column in enumerate(columns)}
    values = np.zeros((len(structures), len(columns)))
    for row, structure in enumerate(structures):
        channels = _numbers(structure, "channels").tolist()
        kinds, parts = _labels(structure, "operator"), _labels(structure, "stage")
        for width, operator, stage in zip(channels, kinds, parts, strict=True):
            for column, amount in (
                (f"operator={operator}", width), (f"stage={stage}", width), (f"{operator}@{stage}", 1.0)
            ):  # fmt: skip
                if column in place:
                    values[row, place[column]] += amount
    return [ColumnBlock("channels", [f"channels.{column}" for column in columns], values)]


# ---- sequences along paths


class _Counted(NamedTuple):
    row: np.ndarray
    code: np.ndarray
    times: np.ndarray


def _gram_counts(structures: Sequence[Structure], known: list[str], name: str) -> list[tuple[str, _Counted]]:
    found = [("ngrams", _grams_of(structures, known, name))]
    if name == "operator" and any(is_identity(label) for label in known):
        found.append(("contracted", _grams_of_contracted([contract(s) for s in structures], known)))
    return found


def _grams_of(structures: Sequence[Structure], known: list[str], name: str) -> _Counted:
    from nnstruct.encode.sequence_kernel import gram_counts

    packed = pack(structures)
    label = np.array([c for s in structures for c in _codes_of(_labels(s, name), known)], dtype=np.int64)
    weight = np.ones(len(packed.source))
    return _Counted(
        *gram_counts(
            packed.source, packed.target, weight, packed.edge_start, label, packed.unit_start, len(known) + 1
        )
    )


def _grams_of_contracted(graphs: Sequence[ContractedGraph], known: list[str]) -> _Counted:
    from nnstruct.encode.sequence_kernel import gram_counts

    forward = [graph.edge_index[:, ~graph.recurrent] for graph in graphs]
    source, target = np.concatenate(forward, axis=1).astype(np.int32)
    weight = np.concatenate([graph.multiplicity[~graph.recurrent] for graph in graphs]).astype(np.float64)
    operators = [graph.attributes.get("operator", (ABSENT,) * len(graph.units)) for graph in graphs]
    label = np.array([c for given in operators for c in _codes_of(map(str, given), known)], dtype=np.int64)
    edge_start, unit_start = starts([f.shape[1] for f in forward]), starts([len(g.units) for g in graphs])
    return _Counted(*gram_counts(source, target, weight, edge_start, label, unit_start, len(known) + 1))


def _kept_codes(counted: _Counted, total: int) -> np.ndarray:
    codes, found_in = np.unique(counted.code, return_counts=True)
    often = found_in >= min(2, total)
    ranked = sorted(zip((-found_in[often]).tolist(), codes[often].tolist(), strict=True))
    return np.array(sorted(code for _, code in ranked[:MOST_GRAMS]), dtype=np.int64)


def _table(counted: _Counted, codes: np.ndarray, rows: int) -> np.ndarray:
    values = np.zeros((rows, len(codes)))
    place = np.minimum(np.searchsorted(codes, counted.code), len(codes) - 1)
    wanted = codes[place] == counted.code
    values[counted.row[wanted], place[wanted]] = counted.times[wanted]
    return values


def _gram_name(code: int, labels: list[str]) -> str:
    k = len(labels)
    digits = [code // k, code % k]
    if code >= k * k:
        code -= k * k
        digits = [code // (k * k), code // k % k, code % k]
    return " > ".join(labels[digit] for digit in digits)


def _sequences(structure: Structure, known: list[str], name: str) -> dict[tuple[int, ...], int] | None:
    """How many paths from an input to an output have each sequence of labels; None for too many."""
    forward = structure.forward_edges
    if forward.shape[1] > MOST_EDGES or structure.num_layers > LONGEST:
        return None
    labels = _codes_of(_labels(structure, name), known)
    following: list[list[int]] = [[] for _ in labels]
    for source, target in forward.T.tolist():
        following[source].append(target)
    arriving: list[Counter[tuple[int, ...]]] = [Counter() for _ in labels]
    total: Counter[tuple[int, ...]] = Counter()
    inputs, outputs = structure.inputs.tolist(), structure.outputs.tolist()
    for unit in np.argsort(structure.layer, kind="stable").tolist():
        if inputs[unit]:
            arriving[unit][()] += 1
        ending = {(*key, labels[unit]): count for key, count in arriving[unit].items()}
        if outputs[unit]:
            total.update(ending)
        if max(len(ending), len(total)) > MOST_SEQUENCES:
            return None
        for target in following[unit]:
            arriving[target].update(ending)
    return total


def _sequence_block(structures: Sequence[Structure], learned: dict[str, Any], name: str) -> ColumnBlock:
    known = [tuple(key) for key in learned["sequences"][name]]
    labels = [*learned["labels"][name], OTHER]
    place = {key: at for at, key in enumerate(known)}
    values = np.zeros((len(structures), len(known) + 1))
    for row, structure in enumerate(structures):
        found = _sequences(structure, labels[:-1], name)
        values[row, -1] = found is None
        for key, count in (found or {}).items():
            if key in place:
                values[row, place[key]] = count
    texts = [" > ".join(labels[code] for code in key) for key in known]
    return ColumnBlock("sequences", [f"sequences.{text}" for text in [*texts, f"too many {name}s"]], values)


def _most_block(structures: Sequence[Structure], known: list[str], name: str) -> ColumnBlock:
    from nnstruct.encode.sequence_kernel import most_on_a_path

    packed = pack(structures)
    label = np.array([c for s in structures for c in _codes_of(_labels(s, name), known)], dtype=np.int64)
    inputs = np.concatenate([s.inputs for s in structures])
    outputs = np.concatenate([s.outputs for s in structures])
    most = np.empty((len(structures), len(known) + 1))
    most_on_a_path(
        packed.source, packed.target, packed.edge_start, label, packed.unit_start, packed.layer, inputs,
        outputs, most,
    )  # fmt: skip
    return ColumnBlock("most", [f"most.{label}" for label in [*known, OTHER]], most)
