"""Benchmarks of scores that were given: labels, spreads, ceilings, parts, merging, the disk."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from benchmark_fakes import CONFIG, make_record, make_structures, make_task

import nnstruct as ns
from nnstruct import Benchmark, Structure
from nnstruct.benchmark import ScoredBenchmark
from nnstruct.benchmark.scores import Rows
from nnstruct.errors import CorruptFileError, InvalidInputError, UnknownNameError

NETS = [Structure.from_layers([n, 2]) for n in range(1, 41)]
NAN = float("nan")


def copy(structure):
    return structure.relabel(np.arange(structure.num_units)[::-1])


def drawn(n=40, *, noise=0.1, copies=1, seed=0):
    """Structures with copies, and labels whose truth and noise are known."""
    rng = np.random.default_rng(seed)
    nets = [net for net in NETS[:n] for _ in range(copies)]
    return nets, np.repeat(rng.normal(size=n), copies) + noise * rng.normal(size=n * copies)


def test_labels_are_what_was_given():
    bench = Benchmark.from_scores(
        NETS[:3],
        [0.7, 0.9, 0.8],
        [0.1, 0.3, NAN],
        seeds=[4, 9, 1],
        task="toy",
        name="mine",
        costs={"flops": [1, 2, 3]},
    )
    assert isinstance(bench, Benchmark)
    assert isinstance(bench, ScoredBenchmark)
    assert (bench.name, bench.task, bench.tasks, bench.target, bench.targets) == (
        "mine",
        "toy",
        ["toy"],
        "test",
        ["test"],
    )
    assert bench.structures == NETS[:3]
    assert bench.y.tolist() == [0.7, 0.9, 0.8]
    np.testing.assert_allclose(bench.y_std, [0.1, 0.3, NAN])
    assert bench.y_count.tolist() == [4, 9, 1]
    assert bench.costs["flops"].tolist() == [1, 2, 3]
    assert bench.fingerprints == [net.fingerprint for net in NETS[:3]]
    np.testing.assert_allclose(bench.labels([NETS[9], NETS[1], copy(NETS[0])]), [NAN, 0.9, 0.7])
    assert list(bench.table.columns) == [
        "source", "row", "fingerprint", "family", "task", "target", "value", "std", "seeds",
    ]  # fmt: skip


def test_copies_are_merged_to_mean_spread_and_count_with_a_word():
    nets = [NETS[0], NETS[1], copy(NETS[0]), NETS[0]]
    with pytest.warns(UserWarning, match="2 of 4 structures are copies"):
        bench = Benchmark.from_scores(nets, [0.5, 0.9, 0.7, 0.9])
    assert bench.structures == NETS[:2]
    np.testing.assert_allclose(bench.y, [0.7, 0.9])
    np.testing.assert_allclose(bench.y_std, [0.2, NAN])
    assert bench.y_count.tolist() == [3, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Benchmark.from_scores(nets, [0.5, 0.9, 0.7, 0.9], twins="merge").y.tolist() == bench.y.tolist()
        Benchmark.from_scores(NETS[:2], [0.5, 0.9])


def test_copies_are_kept_in_their_order():
    nets = [NETS[0], NETS[1], copy(NETS[0])]
    bench = Benchmark.from_scores(nets, [0.5, 0.9, 0.7], twins="keep")
    assert bench.structures == nets
    assert bench.y.tolist() == [0.5, 0.9, 0.7]
    assert len(bench) == 3
    assert bench.labels([NETS[0]]).tolist() == pytest.approx([0.6])
    assert bench.with_twins("merge").y.tolist() == pytest.approx([0.6, 0.9])
    assert bench.with_twins("merge").with_twins("keep").y.tolist() == bench.y.tolist()


def test_pooling_scores_of_several_trainings_is_pooling_the_trainings():
    rng = np.random.default_rng(0)
    groups = [rng.normal(size=k) for k in (3, 2, 4)]
    bench = Benchmark.from_scores(
        [NETS[0]] * 3,
        [group.mean() for group in groups],
        [group.std(ddof=1) for group in groups],
        seeds=[3, 2, 4],
        twins="merge",
    )
    whole = np.concatenate(groups)
    np.testing.assert_allclose(bench.y, [whole.mean()])
    np.testing.assert_allclose(bench.y_std, [whole.std(ddof=1)])
    assert bench.y_count.tolist() == [9]


@pytest.mark.parametrize("twins", ["keep", "merge"])
def test_the_ceiling_from_copies_is_the_share_that_structure_explains(twins):
    nets, y = drawn(40, noise=0.8, copies=4)
    bench = Benchmark.from_scores(nets, y, twins=twins)
    by_structure = y.reshape(40, 4)
    within = by_structure.var(axis=1, ddof=1).mean()
    label, k = (y, 1) if twins == "keep" else (by_structure.mean(axis=1), 4)
    expected = 1 - within / k / label.var(ddof=1)
    found = bench.noise_ceiling
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    assert found.within == pytest.approx(within)
    assert not found.note


def test_the_merged_ceiling_is_that_of_the_one_way_model_where_all_have_as_many_copies():
    nets, y = drawn(40, noise=0.5, copies=3)
    one_way = ns.benchmark.noise_ceiling(y, np.repeat(np.arange(40), 3))
    found = Benchmark.from_scores(nets, y, twins="merge").noise_ceiling
    for name in ("value", "between", "within", "single_seed", "seeds_for_90", "structures", "records"):
        assert getattr(found, name) == pytest.approx(getattr(one_way, name)), name
    assert (found.low, found.high) == pytest.approx((one_way.low, one_way.high), abs=0.03)


def test_the_ceiling_from_known_spread():
    nets, y = drawn(40)
    found = Benchmark.from_scores(nets, y, np.full(40, 0.3)).noise_ceiling
    assert found.value == pytest.approx(1 - 0.09 / y.var(ddof=1))
    of_means = Benchmark.from_scores(nets, y, np.full(40, 0.3), seeds=9).noise_ceiling
    assert of_means.value == pytest.approx(1 - 0.01 / y.var(ddof=1))


def test_a_ceiling_that_nothing_shows_is_unknown():
    found = Benchmark.from_scores(*drawn(40)).noise_ceiling
    assert (found.value, found.low, found.high) == (1.0, 0.0, 1.0)
    assert str(found).startswith("unknown")
    alone = Benchmark.from_scores(NETS[:1], [0.5]).noise_ceiling
    assert np.isnan(alone.value)
    assert "two structures" in alone.note


def test_rows_without_a_score_are_unlabelled():
    bench = Benchmark.from_scores([NETS[0], NETS[1], NETS[0]], [NAN, NAN, 0.5], twins="merge")
    assert bench.structures == [NETS[0]]
    assert bench.unlabelled == [NETS[1]]
    kept = bench.with_twins("keep")
    assert kept.structures == [NETS[0]]
    assert kept.unlabelled == [NETS[1]]


def test_several_tasks_have_a_label_each():
    bench = Benchmark.from_scores(
        NETS[:3], {"a": [1.0, 2.0, 3.0], "b": [5.0, NAN, 4.0]}, {"a": [0.1, 0.2, 0.3]}, seeds={"b": 2}
    )
    assert (bench.tasks, bench.task) == (["a", "b"], "a")
    assert bench.y.tolist() == [1.0, 2.0, 3.0]
    other = bench.select_task("b")
    assert other.y.tolist() == [5.0, 4.0]
    assert other.structures == [NETS[0], NETS[2]]
    assert other.y_count.tolist() == [2, 2]
    assert np.isnan(other.y_std).all()
    assert other.tasks == ["a", "b"]
    with pytest.raises(UnknownNameError, match="task must be one of a, b, got 'c'"):
        bench.select_task("c")
    with pytest.raises(UnknownNameError, match="target must be one of test"):
        bench.with_target("val_last")


def test_parts():
    nets, y = drawn(20, copies=2)
    for twins in ("keep", "merge"):
        bench = Benchmark.from_scores(nets, y, twins=twins)
        train, test = bench.split(0.3, seed=1)
        assert not set(train.fingerprints) & set(test.fingerprints)
        assert len(set(test.fingerprints)) == 6
        assert len(train) + len(test) == len(bench)
        np.testing.assert_allclose(np.sort(np.concatenate([train.y, test.y])), np.sort(bench.y))
        part = bench.select([NETS[3].fingerprint, NETS[1].fingerprint])
        assert list(dict.fromkeys(part.fingerprints)) == [NETS[3].fingerprint, NETS[1].fingerprint]
        wanted = bench.labels(NETS[:4]) * [NAN, 1, NAN, 1]
        np.testing.assert_allclose(part.labels(NETS[:4]), wanted)
        assert bench.select_family("mlp").y.tolist() == bench.y.tolist()
    same = Benchmark.from_scores(nets[::-1], y[::-1], twins="merge")
    held = [set(b.split(0.3, seed=1)[1].fingerprints) for b in (bench, same)]
    assert held[0] == held[1]


def test_groups_of_the_table_decide_what_a_twin_is():
    rows = Rows.of(NETS[:4], {"t": [1.0, 2.0, 3.0, 4.0]}, groups=["x", "y", "x", "z"])
    bench = ScoredBenchmark(rows)
    assert bench.groups == ["x", "y", "z"]
    assert bench.y.tolist() == [2.0, 2.0, 4.0]
    assert bench.structures == [NETS[0], NETS[1], NETS[3]]
    assert bench.labels([NETS[2]]).tolist() == [2.0]
    for seed in range(5):
        for part in bench.with_twins("keep").split(0.4, seed=seed):
            assert len({"x"} & set(part.groups)) * 2 == part.groups.count("x")
    chosen = bench.select([NETS[0].fingerprint])
    assert chosen.y.tolist() == [2.0]


def test_merging_finds_twins_by_fingerprint_where_a_table_names_groups():
    named = ScoredBenchmark(Rows.of(NETS[:3], {"t": [1.0, 2.0, 3.0]}, groups=["x", "y", "x"], source="a"))
    plain = Benchmark.from_scores([copy(NETS[2]), NETS[3]], [5.0, 7.0], task="t", name="b")
    for both in (named.merge(plain), plain.merge(named)):
        assert sorted(zip(both.y.tolist(), both.y_count.tolist(), strict=True)) == [
            (2.0, 1),
            (3.0, 3),
            (7.0, 1),
        ]


def test_merging_joins_spaces_and_repeats():
    a = Benchmark.from_scores(NETS[:3], [1.0, 2.0, 3.0], task="t", name="a", costs={"parameters": [1, 2, 3]})
    cells = [Structure.from_layers([n, 3], family="gru") for n in (2, 3)]
    b = Benchmark.from_scores([*cells, NETS[0]], [4.0, 5.0, 3.0], task="t", name="b")
    both = a.merge(b)
    assert both.structures == [*NETS[:3], *cells]
    assert both.y.tolist() == [2.0, 2.0, 3.0, 4.0, 5.0]
    assert both.y_count.tolist() == [2, 1, 1, 1, 1]
    assert both.name == "a+b"
    np.testing.assert_allclose(both.costs["parameters"], [1, 2, 3, NAN, NAN])
    assert both.select_family("gru").y.tolist() == [4.0, 5.0]
    assert a.merge(a).y_count.tolist() == [1, 1, 1]
    third = Benchmark.from_scores(NETS[5:6], [9.0], task="t", name="c")
    assert a.merge(b, third).y.tolist() == [*both.y.tolist(), 9.0]


def test_merging_with_trainings_takes_their_labels():
    task, nets = make_task(), make_structures(12)
    records = [make_record(s, seed, task) for s in nets for seed in range(3)]
    trained = Benchmark.from_records(nets, records, [CONFIG])
    given = Benchmark.from_scores(NETS[:3], [1.0, 2.0, 3.0], task=task.name)
    for both in (trained.merge(given), given.merge(trained)):
        assert isinstance(both, ScoredBenchmark)
        assert len(both) == len(trained) + 3
        np.testing.assert_allclose(both.labels(trained.structures), trained.y)
        found = both.select(trained.fingerprints)
        np.testing.assert_allclose(found.y_std, trained.y_std)
        assert found.y_count.tolist() == trained.y_count.tolist()
        np.testing.assert_allclose(found.costs["parameters"], trained.costs["parameters"])
    assert trained.costs["parameters"].tolist() == [s.num_edges + s.num_units for s in trained.structures]


def test_tasks_that_differ_need_a_choice_after_merging():
    both = Benchmark.from_scores(NETS[:2], [1.0, 2.0], task="a").merge(
        Benchmark.from_scores(NETS[2:4], [3.0, 4.0], task="b")
    )
    with pytest.raises(InvalidInputError, match=r"one task.*select_task"):
        _ = both.y
    assert both.select_task("b").y.tolist() == [3.0, 4.0]
    assert both.select_task("b").unlabelled == []


@pytest.mark.parametrize("twins", ["keep", "merge"])
def test_what_is_saved_comes_back(tmp_path, twins):
    rows = Rows.of_labels(
        NETS[:4],
        {
            ("a", "test"): ([1, 2, 3, NAN], None, [1, 2, 3, 1]),
            ("a", "val"): ([4, 5, 6, 7], [0.1, NAN, 0.2, 0.3], None),
        },
        costs={"flops": [1, 2, NAN, 4]},
        source="t",
        groups=["x", "y", "x", "z"],
    )
    bench = ScoredBenchmark(rows, name="t", twins=twins, target="val")
    again = Benchmark.load(bench.save(tmp_path / "t"))
    assert repr(again) == repr(bench)
    assert again.structures == bench.structures
    assert again.groups == bench.groups
    for name in ("y", "y_std", "y_count"):
        np.testing.assert_array_equal(getattr(again, name), getattr(bench, name))
    assert again.table.equals(bench.table)
    assert again.costs.equals(bench.costs)
    assert Benchmark.load(tmp_path / "t", target="test").target == "test"
    before = sorted(path.name for path in tmp_path.rglob("*.parquet"))
    bench.save(tmp_path / "t")
    assert sorted(path.name for path in tmp_path.rglob("*.parquet")) == before


def test_saving_adds_to_what_is_there(tmp_path):
    a = Benchmark.from_scores(NETS[:2], [1.0, 2.0], task="t", name="a")
    a.save(tmp_path)
    Benchmark.from_scores(NETS[2:3], [3.0], task="t", name="b").save(tmp_path)
    assert Benchmark.load(tmp_path).y.tolist() == [1.0, 2.0, 3.0]
    assert len(list(tmp_path.rglob("*.parquet"))) == 3


def test_a_folder_of_trainings_is_not_written_over(tmp_path):
    task, nets = make_task(), make_structures(3)
    Benchmark.from_records(nets, [make_record(s, 0, task) for s in nets], [CONFIG]).save(tmp_path)
    with pytest.raises(InvalidInputError, match="path must be a new folder or one of scores"):
        Benchmark.from_scores(NETS[:2], [1.0, 2.0]).save(tmp_path)


def test_damage_is_found(tmp_path):
    bench = Benchmark.from_scores(NETS[:2], [1.0, 2.0])
    for damage in ("alter", "remove", "manifest"):
        folder = bench.save(tmp_path / damage)
        (scores,) = folder.glob("data/scores-*.parquet")
        if damage == "alter":
            data = bytearray(scores.read_bytes())
            data[len(data) // 2] ^= 1
            scores.write_bytes(data)
        elif damage == "remove":
            scores.unlink()
        else:
            path = folder / "scores.json"
            path.write_text(path.read_text().replace('"merge"', '"keep"'))
        with pytest.raises(CorruptFileError, match=r"altered|missing"):
            Benchmark.load(folder)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": [1.0]}, r"y must hold 2 numbers, one a structure, got \[1\]"),
        ({"y": [1.0, float("inf")]}, "y must be finite, or NaN where there is none, got inf"),
        ({"y": ["a", "b"]}, "y must hold 2 numbers"),
        ({"y_std": [0.1, -0.1]}, r"y_std must not be negative, got -0.1"),
        ({"y_std": [0.1]}, "y_std must hold 2 numbers"),
        ({"seeds": [1, 0]}, "seeds must be a positive integer, or 2 of them"),
        ({"seeds": 1.5}, "seeds must be a positive integer"),
        ({"costs": {"flops": [1]}}, r"costs\['flops'\] must hold 2 numbers"),
        ({"twins": "both"}, "twins must be one of merge, keep, got 'both'"),
        ({"structures": NETS[0]}, "structures must be a list of Structures"),
    ],
)
def test_errors_name_the_field(given, message):
    options = {"structures": NETS[:2], "y": [1.0, 2.0]} | given
    with pytest.raises(InvalidInputError, match=message):
        Benchmark.from_scores(**options)


def test_a_configuration_is_not_to_be_had():
    with pytest.raises(
        InvalidInputError, match="config_id must be asked of a benchmark that was trained here"
    ):
        Benchmark.from_scores(NETS[:2], [1.0, 2.0]).select_config("c")


def test_evaluate_takes_it_with_copies_and_without():
    nets, y = drawn(20, copies=2)
    for twins in ("keep", "merge"):
        bench = Benchmark.from_scores(nets, y, twins=twins)
        found = ns.evaluate(["mean"], bench, folds=4, repeats=1, resamples=20)
        assert found.num_structures == len(bench)
        assert found.noise_ceiling[0] == bench.noise_ceiling.value
        folds = found.predictions.groupby("fingerprint")["fold"].nunique()
        assert (folds == 1).all()


def test_the_bounds_of_scores_are_part_of_the_benchmark(tmp_path):
    bench = Benchmark.from_scores(NETS[:4], [-3.0, 1.0, 2.0, 9.0], task="toy", bounds=(-4, 10))
    assert bench.bounds == (-4.0, 10.0)
    assert bench.select(bench.fingerprints[:2]).bounds == (-4.0, 10.0)
    bench.save(tmp_path / "bench")
    assert Benchmark.load(tmp_path / "bench").bounds == (-4.0, 10.0)
    model = ns.predictors.BayesianRidge()
    evaluated = ns.evaluate({"line": model}, bench, folds=2, repeats=1, resamples=5)
    assert evaluated.predictions["y_pred"].between(-4, 10).all()
    wider = Benchmark.from_scores(NETS[4:6], [-8.0, 0.0], task="toy", bounds=(None, 10))
    assert bench.merge(wider).bounds == (-np.inf, 10.0)
    assert bench.merge(Benchmark.from_scores(NETS[6:7], [50.0], task="toy")).bounds is None


def test_without_a_word_an_accuracy_has_the_usual_bounds(tmp_path):
    assert Benchmark.from_scores(NETS[:2], [0.1, 0.9]).bounds == (0.0, 1.0)
    assert Benchmark.from_scores(NETS[:2], [0.1, 90.0]).bounds is None
    assert Benchmark.from_scores(NETS[:2], [0.1, 0.9], bounds=(None, None)).bounds is None
    bench = Benchmark.from_scores(NETS[:2], [0.1, 0.9])
    assert "bounds" not in (bench.save(tmp_path / "b") / "scores.json").read_text()


def test_bounds_by_task_and_what_is_wrong_with_them():
    both = Benchmark.from_scores(NETS[:2], {"a": [1, 2], "b": [3, 4]}, bounds={"a": (0, 5)})
    assert both.select_task("a").bounds == (0.0, 5.0)
    assert both.select_task("b").bounds is None
    for wrong in ((3, 1), (1,), "ab", (0, float("nan")), (0, 1.5), {"c": (0, 5)}):
        with pytest.raises(InvalidInputError, match="bounds"):
            Benchmark.from_scores(NETS[:2], [1.0, 2.0], task="a", bounds=wrong)
