import dataclasses

import numpy as np
import pandas as pd
import pytest
from benchmark_fakes import CONFIG, make_record, make_structures, make_task
from hypothesis import given
from hypothesis import strategies as st

from nnstruct import Structure
from nnstruct.benchmark import TARGETS, Benchmark, build
from nnstruct.benchmark.targets import DESCRIPTIONS
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.record import Record, TrainConfig
from nnstruct.tasks import Task

TASK = make_task()
STRUCTURES = make_structures(30)


def bench_of(n=30, seeds=3, config=CONFIG, task=TASK):
    records = [make_record(s, seed, task, config) for s in STRUCTURES[:n] for seed in range(seeds)]
    return Benchmark.from_records(STRUCTURES[:n], records, [config])


def record_with(structure, seed, **values):
    return dataclasses.replace(make_record(structure, seed, TASK), **values)


def test_labels_are_statistics_of_the_finite_records():
    a, b, c = STRUCTURES[:3]
    nan = float("nan")
    tests = {a: [0.5, 0.7, nan], b: [0.9, nan, nan], c: [nan, nan, nan]}
    records = [
        record_with(s, seed, test=value, status="ok" if np.isfinite(value) else "diverged")
        for s, values in tests.items()
        for seed, value in enumerate(values)
    ]
    bench = Benchmark.from_records([a, b, c], records)
    assert bench.structures == [a, b]
    assert bench.unlabelled == [c]
    assert len(bench) == 2
    assert len(bench.table) == 9
    assert set(bench.table["status"]) == {"ok", "diverged"}
    np.testing.assert_allclose(bench.y, [0.6, 0.9])
    np.testing.assert_allclose(bench.y_std, [np.sqrt(0.02), np.nan])
    assert bench.y_count.tolist() == [2, 1]
    copy = a.relabel(np.arange(a.num_units)[::-1])
    np.testing.assert_allclose(bench.labels([c, b, copy, a]), [np.nan, 0.9, 0.6, 0.6])


def test_targets_follow_their_definitions():
    structure = STRUCTURES[0]
    val, loss = np.array([0.2, 0.9, 0.5, 0.6]), np.array([2.0, 1.0, 0.8, 0.7])
    record = record_with(structure, 0, val=val, val_loss=loss, test=0.55, test_loss=0.75, status="ok")
    bench = Benchmark.from_records([structure], [record])
    expected = {
        "test": 0.55,
        "neg_test_loss": -0.75,
        "neg_log_test_loss": -np.log(0.75),
        "val_last": 0.6,
        "val_best": 0.9,
        "val_mean3": 2.0 / 3,
        "val_auc": 0.55,
        "neg_val_loss": -0.7,
        "neg_log_val_loss": -np.log(0.7),
    }
    assert set(expected) == set(TARGETS) == set(DESCRIPTIONS)
    for name, value in expected.items():
        assert bench.with_target(name).y == pytest.approx([value]), name
        assert bench.with_target(name).target == name
    broken = record_with(structure, 0, val=np.array([0.9, np.nan]), val_loss=np.array([1.0, np.nan]))
    broken = dataclasses.replace(broken, test=np.nan, test_loss=np.nan, status="diverged")
    for name in TARGETS:
        assert len(Benchmark.from_records([structure], [broken], target=name)) == 0, name
    with pytest.raises(UnknownNameError, match="Did you mean 'val_best'"):
        bench.with_target("val_bets")


def test_several_configurations_need_a_choice():
    other = TrainConfig(epochs=2)
    bench = bench_of(5).merge(bench_of(3, config=other))
    assert len(bench) == 5
    for ask in (lambda: bench.y, lambda: bench.y_std, lambda: bench.y_count, lambda: bench.noise_ceiling):
        with pytest.raises(InvalidInputError, match=r"one config_id .*select_config"):
            ask()
    assert np.array_equal(bench.select_config(CONFIG.id).y, bench_of(5).y)
    assert len(bench.select_config(other.id).structures) <= 3
    with pytest.raises(InvalidInputError, match="config_id must be one of"):
        bench.select_config("nope")


def test_several_tasks_need_a_choice(tmp_path):
    second = make_task(flip=1)
    bench = bench_of(4).merge(bench_of(4, task=second))
    with pytest.raises(InvalidInputError, match="select_task"):
        _ = bench.y
    with pytest.raises(InvalidInputError, match="save"):
        bench.save(tmp_path)
    assert np.array_equal(bench.select_task(TASK.fingerprint).y, bench_of(4).y)


@given(n=st.integers(2, 30), test=st.floats(0.01, 0.99), seed=st.integers(0, 100))
def test_split_is_a_partition_by_fingerprint(n, test, seed):
    bench = bench_of(n, seeds=1)
    if len(bench) < 2:
        return
    train, held_out = bench.split(test=test, seed=seed)
    assert not set(train.fingerprints) & set(held_out.fingerprints)
    assert set(train.fingerprints) | set(held_out.fingerprints) == set(bench.fingerprints)
    assert not set(train.table["fingerprint"]) & set(held_out.table["fingerprint"])
    assert len(train.table) + len(held_out.table) == len(bench.table)
    assert len(held_out) == min(max(1, round(test * len(bench))), len(bench) - 1)
    assert len(train) >= 1
    assert train.fingerprints == [name for name in bench.fingerprints if name in set(train.fingerprints)]
    lookup = dict(zip(bench.fingerprints, bench.y, strict=True))
    assert [lookup[name] for name in held_out.fingerprints] == held_out.y.tolist()


def test_split_depends_on_the_set_and_the_seed_only():
    bench = bench_of(20, seeds=1)
    shuffled = bench.select(reversed([*bench.fingerprints]))
    same = [set(b.split(test=0.3, seed=4)[1].fingerprints) for b in (bench, shuffled)]
    assert same[0] == same[1]
    assert set(bench.split(test=0.3, seed=5)[1].fingerprints) != same[0]
    with pytest.raises(InvalidInputError, match="share in"):
        bench.split(test=1.0)
    with pytest.raises(InvalidInputError, match="at least 2 labelled"):
        bench.select(bench.fingerprints[:1]).split()


def test_select_keeps_the_given_order_and_the_target():
    bench = bench_of(10, seeds=1).with_target("val_auc")
    chosen = bench.fingerprints[::-2]
    part = bench.select(chosen)
    assert part.fingerprints == chosen
    assert part.target == "val_auc"
    assert np.array_equal(part.y, bench.y[::-2])
    with pytest.raises(InvalidInputError, match="of structures of the benchmark"):
        bench.select(["x"])
    with pytest.raises(InvalidInputError, match="once"):
        bench.select([chosen[0], chosen[0]])


def test_merge_keeps_each_record_once():
    first, second = bench_of(6, seeds=2), bench_of(9, seeds=3)
    both = first.merge(second)
    assert len(both.table) == 27
    pd.testing.assert_frame_equal(both.table.drop(columns="seconds"), second.table.drop(columns="seconds"))
    kept = both.table.merge(first.table, on=["fingerprint", "seed"], suffixes=("", "_first"))
    assert (kept["seconds"] == kept["seconds_first"]).all()
    assert np.array_equal(both.y, second.y)


def test_save_and_load_bring_everything_back(tmp_path, engine):
    bench = bench_of(8, seeds=2)
    bench.save(tmp_path / "b")
    again = Benchmark.load(tmp_path / "b", target="val_best")
    assert again.target == "val_best"
    pd.testing.assert_frame_equal(again.table, bench.table)
    assert [*again.structures, *again.unlabelled] == [*bench.structures, *bench.unlabelled]
    assert [s.origin for s in again.structures] == [s.origin for s in bench.structures]
    bench_of(10, seeds=3).save(tmp_path / "b")
    grown = Benchmark.load(tmp_path / "b")
    assert len(grown.table) == 30
    merged = bench.merge(bench_of(10, seeds=3))
    pd.testing.assert_frame_equal(grown.table.drop(columns="seconds"), merged.table.drop(columns="seconds"))
    build(TASK, STRUCTURES[:10], seeds=3, config=CONFIG, out=tmp_path / "b")
    assert engine.calls == [], "build knows what save wrote"


def test_a_table_that_does_not_fit_is_refused():
    bench = bench_of(3, seeds=1)
    table = bench.table
    with pytest.raises(InvalidInputError, match="no 'test_loss'"):
        Benchmark(STRUCTURES[:3], table.drop(columns="test_loss"))
    with pytest.raises(InvalidInputError, match="of the given structures only"):
        Benchmark(STRUCTURES[:2], table)
    with pytest.raises(InvalidInputError, match="each record once"):
        Benchmark(STRUCTURES[:3], pd.concat([table, table]))
    with pytest.raises(InvalidInputError, match="distinct fingerprints"):
        Benchmark([STRUCTURES[0], STRUCTURES[0]], table)


def test_an_empty_benchmark_is_no_crash():
    bench = Benchmark.from_records(STRUCTURES[:2], [])
    assert len(bench) == 0
    assert bench.y.shape == bench.y_count.shape == (0,)
    assert np.isnan(bench.noise_ceiling.value)
    assert bench.unlabelled == STRUCTURES[:2]


def test_views_do_not_change_their_source():
    bench = bench_of(6, seeds=2)
    before, y = bench.table.copy(), bench.y
    y[:] = 0
    part = bench.select(bench.fingerprints[:2])
    part.table.loc[:, "test"] = 0.0
    pd.testing.assert_frame_equal(bench.table, before)
    assert bench.y.min() > 0
    assert "6 structures" in repr(bench) or f"{len(bench)} structures" in repr(bench)


def test_columns_are_the_fields_of_a_record():
    assert list(bench_of(1).table.columns) == [field.name for field in dataclasses.fields(Record)]


def test_a_benchmark_knows_what_scored_its_task(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    task = Task.from_arrays("sum", x, x.sum(axis=1), kind="regression")
    nets = [Structure.from_layers([n]) for n in (2, 3)]
    config = TrainConfig(epochs=1)
    for out in (None, tmp_path / "sums"):
        bench = build(task, nets, config=config, out=out, workers=1)
        assert bench.metric == bench.with_target("val_best").metric == "r2"
        assert bench.bounds == (-np.inf, 1.0)
    bench.save(tmp_path / "copy")
    assert Benchmark.load(tmp_path / "copy").metric == "r2"
    assert '"metric"' in (tmp_path / "copy" / "manifest.json").read_text()
    signs = Task.from_arrays("signs", x, (x[:, 0] > 0).astype(int))
    assert build(signs, nets, config=config, out=tmp_path / "classes", workers=1).metric == "accuracy"
    assert '"metric"' not in (tmp_path / "classes" / "manifest.json").read_text()
