"""Components by the loop are those of scipy, and structures count as seen by their fingerprint."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nnstruct import Space, Structure
from nnstruct.priors import helpers, sample
from nnstruct.priors.sampling import _Seen


@pytest.mark.parametrize("seed", range(30))
def test_components_are_those_of_scipy(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    pairs = rng.integers(n, size=(2, int(rng.integers(0, 50))))
    matrix = coo_array((np.ones(pairs.shape[1], dtype=bool), (pairs[0], pairs[1])), shape=(n, n))
    wanted = connected_components(matrix, directed=False)[1]
    assert helpers.components(pairs, n).tolist() == wanted.tolist()
    monkeypatch.setattr(helpers, "_SMALL", -1)
    assert helpers.components(pairs, n).tolist() == wanted.tolist()


def test_a_relabelled_structure_is_seen_and_another_is_not() -> None:
    one = Structure.from_edges([(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)])
    # Equal layers and degrees, and no relabelling of each other.
    left = Structure.from_edges([(0, 2), (1, 3), (0, 3), (2, 4), (3, 5)])
    right = Structure.from_edges([(0, 2), (1, 3), (1, 2), (2, 4), (3, 5)])
    seen = _Seen()
    seen.add(one)
    seen.add(left)
    assert one.relabel([4, 2, 3, 1, 0]) in seen
    assert (right in seen) == (right.fingerprint == left.fingerprint)
    assert Structure.from_layers([2, 2]) not in seen


def test_samples_are_distinct() -> None:
    drawn = sample(Space("mlp", units=(2, 4)), 12, seed=0)
    assert len({structure.fingerprint for structure in drawn}) == 12
