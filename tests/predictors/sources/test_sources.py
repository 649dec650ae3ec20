"""Models of earlier benchmarks: what they learn, how small they are stored, and what they do not know."""

import json
import time

import networkx as nx
import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import ExtraTreesRegressor

import nnstruct as ns
from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.predictors import SourceModels
from nnstruct.predictors.forest_arrays import ForestArrays
from nnstruct.predictors.label_transform import LabelTransform
from nnstruct.predictors.sources import shipped_sources
from nnstruct.predictors.sources.columns import Scale, source_table
from nnstruct.predictors.sources.packing import pack, unpack
from nnstruct.predictors.sources.untrained import pooled

SPACE = ns.Space("mlp", units=(4, 14))
FIRST, SECOND = ns.priors.sample(SPACE, n=60, seed=0), ns.priors.sample(SPACE, n=60, seed=1)


def truth(structures):
    return np.array([np.log(1.0 + s.num_edges) + 0.3 * s.num_layers for s in structures])


def bench(structures, task, sign=1.0):
    return ns.Benchmark.from_scores(structures, sign * truth(structures), task=task, twins="merge")


@pytest.fixture(scope="module")
def models():
    return SourceModels.fit({"a": bench(FIRST, "digits"), "b": bench(SECOND, "letters")}, trees=20)


def test_a_packed_forest_sends_every_row_where_it_went():
    rng = np.random.default_rng(0)
    table = np.concatenate([rng.normal(size=(300, 5)), rng.integers(0, 3, (300, 3))], axis=1)
    y = rng.normal(size=300)
    for most in (None, 20):  # grown in depth, and best first
        fitted = ExtraTreesRegressor(10, max_leaf_nodes=most, random_state=0).fit(table, y)
        forest = ForestArrays.of(fitted)
        packed = pack(forest)
        asked = np.concatenate([table, rng.normal(size=(500, 8)).round(1)])
        np.testing.assert_allclose(
            unpack(packed, 8).predict(asked)[0], forest.predict(asked)[0], rtol=1e-6, atol=1e-7
        )
        nodes = len(forest.left)
        assert sum(array.nbytes for array in packed.values()) == 7 * nodes + 4 * 10


def test_a_row_at_a_threshold_goes_left_after_packing():
    forest = ForestArrays(
        np.array([0, 3]), np.array([1, -1, -1], dtype=np.int32), np.array([2, -1, -1], dtype=np.int32),
        np.array([0, -2, -2], dtype=np.int32), np.array([0.3, 0.0, 0.0]), np.array([0.5, 0.0, 1.0]),
    )  # fmt: skip
    # 0.3 lies between two float32: the upper one goes right, as float32(0.3) > 0.3.
    rows = np.array([[np.nextafter(np.float32(0.3), np.float32(0))], [np.float32(0.3)]])
    assert forest.predict(rows)[0].tolist() == unpack(pack(forest), 1).predict(rows)[0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("column", 9), ("right", 30000), ("right", 0), ("sizes", 1)],
)
def test_a_packed_forest_that_leads_astray_is_refused(name, value):
    table = np.arange(40.0).reshape(20, 2)
    packed = pack(ForestArrays.of(ExtraTreesRegressor(2, random_state=0).fit(table, table[:, 0])))
    packed[name] = packed[name].copy()
    packed[name][0] = value
    with pytest.raises(ValueError, match="tree"):
        unpack(packed, 2)


def test_a_source_tells_labels_of_structures_it_has_not_seen(models):
    said = models.predict(SECOND)
    assert models.names == ["a.mlp", "b.mlp"]
    assert stats.kendalltau(said[:, 0], truth(SECOND)).statistic > 0.6
    standardised = LabelTransform().fit(truth(SECOND)).transform(truth(SECOND))
    assert np.mean((said[:, 1] - standardised) ** 2) < 0.3


def test_adapted_answers_hold_where_all_columns_are_moved_and_stretched(models):
    """Columns standardised over the new structures lose their place and unit; the trees read no other."""
    table = source_table(SECOND)
    moved = 3.0 * table + 7.0
    np.testing.assert_allclose(
        Scale.of(moved).standardised(moved), Scale.of(table).standardised(table), atol=1e-6
    )
    scale = models.scale(SECOND)
    said = models.predict(SECOND, scale)
    expected = models.sources[0].adapted.predict(scale.standardised(table))[0]
    np.testing.assert_array_equal(said[:, 2], expected)
    np.testing.assert_array_equal(said[:, :2], models.predict(SECOND))


def test_one_structure_alone_is_told_as_among_many(models):
    scale = models.scale(FIRST)
    together = models.predict(SECOND[:5], scale)
    alone = np.concatenate([models.predict([s], scale) for s in SECOND[:5]])
    np.testing.assert_allclose(alone, together, rtol=1e-12)


def test_of_undirected_graphs_nothing_is_said(models):
    graph = ns.Structure.from_networkx(nx.cycle_graph(6), undirected=True)
    assert models.predict([graph])[0].tolist() == [0.0, 0.0]
    assert models.scale([graph]).centre.tolist() == [0.0] * source_table(FIRST).shape[1]


def test_without_leaves_out_by_benchmark_task_and_data(models):
    assert models.without("a").names == models.without("digits").names == ["b.mlp"]
    with pytest.raises(InvalidInputError, match=r"^names must be among a, b, digits, letters, got 'c'"):
        models.without("c")


def test_what_learned_from_the_same_structures_is_left_out(models):
    assert models.unaware_of(FIRST[:20]).names == ["b.mlp"]
    mixed = FIRST[:1] + ns.priors.sample(SPACE, n=30, seed=5)
    assert models.unaware_of(mixed).names == ["a.mlp", "b.mlp"]


def test_saved_and_read_they_say_the_same(models, tmp_path):
    again = SourceModels.load(models.save(tmp_path / "sources"))
    scale = models.scale(SECOND)
    np.testing.assert_array_equal(again.predict(SECOND, scale), models.predict(SECOND, scale))
    assert again.untrained == models.untrained
    assert again.unaware_of(FIRST).names == ["b.mlp"]


def test_altered_files_are_refused(models, tmp_path):
    folder = models.save(tmp_path / "sources")
    arrays, values = folder / "sources.safetensors", folder / "sources.json"
    whole = arrays.read_bytes()
    arrays.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CorruptFileError, match="was altered"):
        SourceModels.load(folder)
    arrays.write_bytes(whole)
    told = json.loads(values.read_text())
    values.write_text(json.dumps(told | {"columns": told["columns"][:-1]}))
    with pytest.raises(CorruptFileError, match="other measures"):
        SourceModels.load(folder)
    arrays.unlink()
    with pytest.raises(CorruptFileError, match="is missing"):
        SourceModels.load(folder)


def test_the_interval_without_labels_covers_what_it_was_measured_on(models):
    """Each data set left out: nine in ten of its labels lie within 1.645 deviations."""
    slope, std = models.untrained.slope, models.untrained.std
    inside = []
    for structures, other in ((FIRST, 1), (SECOND, 0)):
        z = LabelTransform().fit(truth(structures)).transform(truth(structures))
        mean = pooled([models.sources[other]], models.predict(structures)[:, [other]])
        inside.append(np.abs(z - slope * mean) <= stats.norm.ppf(0.95) * std * (1 + 1e-9))
    assert 0.9 <= np.mean(np.concatenate(inside)) <= 0.92
    assert slope > 0.6  # both tasks reward the same


def test_opposite_tasks_give_no_slope():
    pair = {"a": bench(FIRST, "up"), "b": bench(SECOND, "down", sign=-1.0)}
    assert SourceModels.fit(pair, trees=10).untrained.slope == 0.0


def test_data_are_averaged_before_data_sets(models):
    a, b = models.sources
    said = np.array([[1.0, 2.0, 6.0]])
    assert pooled([a, a, b], said).tolist() == [(1.5 + 6.0) / 2]


def test_a_benchmark_without_enough_structures_is_refused():
    with pytest.raises(InvalidInputError, match=r"^benchmarks must have a family with at least 30"):
        SourceModels.fit([bench(FIRST[:20], "few")])


def test_the_shipped_ones_load_fast_and_are_small():
    from nnstruct.predictors.sources.shipped import FOLDER

    started = time.process_time()
    loaded = SourceModels.load(FOLDER)
    assert time.process_time() - started < 1.0
    assert loaded.names == shipped_sources().names
    assert len(loaded) == 17
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 10e6
