"""Measures of large graphs: units that are alike are searched from once, others are sampled or left out."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Structure
from nnstruct.properties import features, large
from nnstruct.properties.centrality import MEASURES, centrality_measures
from nnstruct.properties.large import centrality_row, kinds_of_units, paper_row, path_row, roots_of, searched
from nnstruct.properties.paper import paper_measures
from nnstruct.properties.paths import path_measures


def nothing(done: float) -> None:
    pass


def blocks(sizes: list[int], seed: int, share: float = 0.5) -> Structure:
    """Blocks of twins, chained and with some dense skips between them; relabelled."""
    generator = np.random.default_rng(seed)
    ends = np.cumsum([0, *sizes])
    edges = []
    for one in range(len(sizes)):
        for other in range(one + 1, len(sizes)):
            if other == one + 1 or generator.random() < share:
                grid = np.meshgrid(np.arange(*ends[one : one + 2]), np.arange(*ends[other : other + 2]))
                edges.append(np.stack(grid).reshape(2, -1))
    names = generator.permutation(ends[-1])
    return Structure(names[np.concatenate(edges, axis=1)], int(ends[-1]))


def random_graph(units: int, edges: int, seed: int) -> Structure:
    generator = np.random.default_rng(seed)
    pairs = np.sort(generator.integers(units, size=(2, edges)), axis=0)
    return Structure(np.unique(pairs[:, pairs[0] != pairs[1]], axis=1), units)


@pytest.mark.parametrize("seed", [0, 1])
def test_searches_from_one_of_each_kind_are_exact(seed: int) -> None:
    structure = blocks([3, 5, 1, 7, 4, 2], seed)
    roots = roots_of(structure)
    assert roots.whole
    assert len(roots.unit) < structure.num_units
    for row, measures in ((paper_row, paper_measures), (centrality_row, centrality_measures)):
        np.testing.assert_allclose(row(structure, nothing), measures([structure])[0], rtol=1e-9, atol=1e-12)
    found, expected = path_row(structure, nothing), path_measures([structure])[0]
    np.testing.assert_allclose(found[:25], expected[:25], rtol=1e-9)
    assert np.isnan(found[25:]).all()


def test_where_all_differ_each_unit_is_a_root() -> None:
    structure = random_graph(60, 150, 0)
    np.testing.assert_allclose(
        centrality_row(structure, nothing), centrality_measures([structure])[0], rtol=1e-9, atol=1e-12
    )


def test_kinds_of_units_are_the_blocks() -> None:
    structure = blocks([2, 3, 5], 0, share=0.0)
    kinds = kinds_of_units(structure)
    assert sorted(np.bincount(kinds).tolist()) == [2, 3, 5]
    assert all(len(set(structure.layer[kinds == kind].tolist())) == 1 for kind in range(3))
    assert len(set(kinds_of_units(random_graph(60, 150, 0)).tolist())) > 50


def residual(width: int, depth: int) -> Structure:
    """Layers read all of a sum, and the sum's units one unit of the layer and one of the sum before each."""
    edges, units = [], width
    for _ in range(depth):
        grid = np.meshgrid(np.arange(units - width, units), np.arange(units, units + width))
        edges.append(np.stack(grid).reshape(2, -1))
        sums = np.arange(units + width, units + 2 * width)
        edges += [np.stack([sums - width, sums]), np.stack([sums - 2 * width, sums])]
        units += 2 * width
    return Structure(np.concatenate(edges, axis=1), units)


def test_channels_of_residual_layers_are_alike() -> None:
    structure = residual(5, 3)
    assert len(roots_of(structure).unit) == 7
    found, expected = centrality_row(structure, nothing), centrality_measures([structure])[0]
    edges = [place for place, name in enumerate(MEASURES) if "edge" in name and not name.endswith("mean")]
    found[edges] = expected[edges]  # an edge from a channel to itself is another one than to its neighbour
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_samples_are_close() -> None:
    structure = random_graph(600, 3000, 1)
    roots = roots_of(structure, most_arcs=150 * 2 * structure.num_edges)
    assert not roots.whole
    assert (len(roots.unit), roots.weight.sum()) == (150, 600)
    found = searched(structure, roots, nothing, directed=False)
    expected = centrality_measures([structure])[0]
    n = structure.num_units
    assert abs(found.node_share.mean() / ((n - 1) * (n - 2)) / expected[0] - 1) < 0.02
    assert abs((found.along[2] / (n - 1)).mean() / expected[21] - 1) < 0.02
    both = np.corrcoef(
        found.node_share, searched(structure, roots_of(structure), nothing, directed=False).node_share
    )
    assert both[0, 1] > 0.85


def test_features_of_large_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    structures = [blocks([4, 9, 3, 6], seed) for seed in range(2)] + [Structure.from_layers([2, 3])]
    names = ["paper", "layered", "spectra", "motifs", "centrality"]
    usual = features(structures, names, cache=False)
    monkeypatch.setattr(large, "LARGE_UNITS", 20)
    found = features(structures, names, cache=False, progress=True)
    for name in ("paper.", "layered.", "centrality."):
        chosen = [column for column in found if column.startswith(name)]
        np.testing.assert_allclose(found[chosen], usual[chosen], rtol=1e-9, atol=1e-12)
    for name in ("spectra.", "motifs."):
        chosen = [column for column in found if column.startswith(name)]
        assert found[chosen].iloc[:2].isna().all().all()
        assert found[chosen].iloc[2].equals(usual[chosen].iloc[2])
