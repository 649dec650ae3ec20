"""Which delayed edges each rule gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import STATEFUL, structures

from nnstruct.errors import InvalidInputError, StructureError, UnknownNameError
from nnstruct.structure import Structure
from nnstruct.structure.recurrence import RECURRENCES, recurrent_edges

plain = structures(STATEFUL, flags=False)


def pairs(edges: np.ndarray) -> set[tuple[int, int]]:
    return set(map(tuple, edges.T.tolist()))


@given(plain)
def test_layer_joins_each_layer_with_itself(structure: Structure) -> None:
    delayed = pairs(structure.with_recurrence("layer").recurrent_edges)
    layer = structure.layer
    expected = {(a, b) for a in range(len(layer)) for b in range(len(layer)) if layer[a] == layer[b]}
    assert delayed == expected
    assert len(delayed) == int((structure.layer_sizes**2).sum())


@given(plain)
def test_self_reverse_and_none(structure: Structure) -> None:
    assert pairs(structure.with_recurrence("self").recurrent_edges) == {
        (unit, unit) for unit in range(structure.num_units)
    }
    backwards = {(b, a) for a, b in pairs(structure.forward_edges)}
    assert pairs(structure.with_recurrence("reverse").recurrent_edges) == backwards
    assert structure.with_recurrence("none").num_edges == structure.forward_edges.shape[1]


@given(plain, st.sampled_from(sorted(RECURRENCES)), st.integers(0, 10))
def test_only_the_delayed_edges_change(structure: Structure, name: str, seed: int) -> None:
    changed = structure.with_recurrence(name, seed=seed)
    assert pairs(changed.forward_edges) == pairs(structure.forward_edges)
    assert changed.layer.tolist() == structure.layer.tolist()
    assert dict(changed.attributes) == dict(structure.attributes)
    assert dict(changed.origin) == dict(structure.origin)
    assert changed == structure.with_recurrence(name, seed=seed)
    assert changed.recurrent_edges.dtype == np.int64


def test_random_depends_on_the_seed_and_follows_the_density() -> None:
    forward, layer = np.zeros((2, 0), dtype=np.int64), np.zeros(200, dtype=np.int64)
    draws = [pairs(recurrent_edges("random", forward, layer, seed=seed, density=0.1)) for seed in (0, 1)]
    assert draws[0] != draws[1]
    for drawn in draws:
        # 40,000 pairs at 0.1: mean 4,000, standard deviation 60.
        assert abs(len(drawn) - 4000) < 300
    assert len(pairs(recurrent_edges("random", forward, layer, density=1.0))) == 40_000
    assert len(pairs(recurrent_edges("random", forward, layer, density=0.0))) == 0


def test_numpy_seeds_draw_as_plain_ones() -> None:
    structure = Structure.from_layers([9, 9], family="gru")
    drawn = structure.with_recurrence("random", seed=3)
    assert structure.with_recurrence("random", seed=np.int64(3)) == drawn


@pytest.mark.parametrize("density", [-0.1, 1.1, float("nan")])
def test_a_density_is_a_share(density: float) -> None:
    with pytest.raises(InvalidInputError, match=r"density must be in \[0, 1\]"):
        Structure.from_layers([2, 2], family="gru").with_recurrence("random", density=density)


@pytest.mark.parametrize("seed", [-1, None, 0.5])
def test_a_seed_is_a_non_negative_integer(seed: object) -> None:
    with pytest.raises(InvalidInputError, match="seed must be a non-negative integer"):
        Structure.from_layers([2, 2], family="gru").with_recurrence("random", seed=seed)  # type: ignore[arg-type]


def test_an_unknown_rule_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"recurrence must be one of .*Did you mean 'layer'\?"):
        Structure.from_layers([2, 2], family="gru").with_recurrence("layers")


def test_a_family_without_state_takes_none() -> None:
    with pytest.raises(StructureError, match="all False for the family 'mlp'"):
        Structure.from_layers([2, 2]).with_recurrence("layer")
    assert Structure.from_layers([2, 2]).with_recurrence("none") == Structure.from_layers([2, 2])
