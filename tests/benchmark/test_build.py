import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from benchmark_fakes import CONFIG, data_bytes, make_record, make_structures, make_task

from nnstruct import processes
from nnstruct.benchmark import Benchmark, build, generate
from nnstruct.benchmark.manifest import read_manifest
from nnstruct.errors import InvalidInputError, NnstructError
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure


def test_in_memory_and_on_disk_are_the_same(tmp_path, engine):
    structures = make_structures(8)
    inside = build(make_task(), structures, seeds=2, config=CONFIG)
    stored = build(make_task(), structures, seeds=2, config=CONFIG, out=tmp_path / "b")
    loaded = Benchmark.load(tmp_path / "b")
    for other in (stored, loaded):
        pd.testing.assert_frame_equal(
            other.table.drop(columns="seconds"), inside.table.drop(columns="seconds")
        )
        assert other.structures == inside.structures
        assert np.array_equal(other.y, inside.y)
        assert other.configs == {CONFIG.id: CONFIG}
    assert inside.fingerprints == [s.fingerprint for s in structures if s.fingerprint in inside.fingerprints]
    pd.testing.assert_frame_equal(stored.table, loaded.table)


def test_done_work_is_skipped_and_seeds_structures_and_configs_may_be_added(tmp_path, engine):
    folder, structures = tmp_path / "b", make_structures(6)
    build(make_task(), structures[:4], seeds=2, config=CONFIG, out=folder)
    assert engine.calls == [8]
    build(make_task(), structures[:4], seeds=2, config=CONFIG, out=folder)
    assert engine.calls == [8], "nothing was left to do"
    build(make_task(), structures[:4], seeds=[1, 2], config=CONFIG, out=folder)
    assert engine.calls == [8, 4]
    build(make_task(), structures, seeds=3, config=CONFIG, out=folder)
    assert engine.calls == [8, 4, 6]
    other = TrainConfig(epochs=2)
    second = build(make_task(), structures[:2], seeds=1, config=other, out=folder)
    assert engine.calls == [8, 4, 6, 2]
    assert len(second.table) == 2, "build returns the view of its configuration"
    assert len(set(engine.trained)) == 18
    whole = Benchmark.load(folder)
    assert len(whole.table) == 20
    assert set(whole.configs) == {CONFIG.id, other.id}
    assert read_manifest(folder).seeds == [0, 1, 2]
    at_once = tmp_path / "at once"
    build(make_task(), structures, seeds=3, config=CONFIG, out=at_once)
    build(make_task(), structures[:2], seeds=1, config=other, out=at_once)
    assert data_bytes(folder) == data_bytes(at_once)


@pytest.mark.parametrize("workers", [2, 5, 16])
def test_bytes_do_not_depend_on_the_workers(tmp_path, engine, workers, monkeypatch):
    build(make_task(), make_structures(7), seeds=3, config=CONFIG, out=tmp_path / "one", workers=1)
    monkeypatch.setattr(generate, "FLUSH_RECORDS", workers)
    build(make_task(), make_structures(7), seeds=3, config=CONFIG, out=tmp_path / "many", workers=workers)
    assert data_bytes(tmp_path / "one") == data_bytes(tmp_path / "many")


def test_workers_are_capped_by_the_jobs(monkeypatch):
    asked = []

    def engine(pairs, task, config, *, engine, device, workers):
        asked.append((engine, device, workers))
        return (make_record(structure, seed, task, config) for structure, seed in pairs)

    monkeypatch.setattr(generate, "_stream", engine)
    monkeypatch.setattr(processes, "num_cpus", lambda: 4)
    build(make_task(), make_structures(2), config=CONFIG)
    build(make_task(), make_structures(3), seeds=3, config=CONFIG, engine="fused", device="cuda")
    build(make_task(), make_structures(3), seeds=3, config=CONFIG, workers=6)
    assert asked == [("auto", "cpu", 2), ("fused", "cuda", 4), ("auto", "cpu", 6)]


def test_relabelled_copies_are_one_and_the_first_stands(tmp_path, engine):
    first = make_structures(1)[0]
    copy = first.relabel(np.random.default_rng(1).permutation(first.num_units))
    assert copy != first
    bench = build(make_task(), [first, copy, first], seeds=2, config=CONFIG, out=tmp_path / "b")
    assert engine.calls == [2]
    assert [*bench.structures, *bench.unlabelled] == [first]

    class Watch:
        seen: list = []  # noqa: RUF012

        def __call__(self, pairs, task, config, **_):
            self.seen += [structure for structure, _ in pairs]
            return (make_record(structure, seed, task, config) for structure, seed in pairs)

    generate._stream = watch = Watch()  # the fixture puts the real one back
    again = build(make_task(), [copy], seeds=3, config=CONFIG, out=tmp_path / "b")
    assert watch.seen == [first], "the labelling that is stored is the one that is trained"
    assert again.structures == [first]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupt_keeps_what_was_trained(tmp_path, engine, error):
    count = iter(range(100))

    def stop(record):
        if next(count) == 6:
            raise error("stop")

    arguments = (make_task(), make_structures(5))
    with pytest.raises(error, match="stop"):
        build(*arguments, seeds=2, config=CONFIG, out=tmp_path / "b", on_record=stop)
    assert len(Benchmark.load(tmp_path / "b").table) == 7
    assert sorted(path.parent.name for path in tmp_path.rglob("*.parquet")) == ["shards", "shards"]
    build(*arguments, seeds=2, config=CONFIG, out=tmp_path / "b")
    assert engine.calls == [10, 3]


def test_slow_trainings_are_written_one_by_one_and_fast_ones_together(monkeypatch):
    task, structure = make_task(), make_structures(1)[0]
    record = make_record(structure, 0, task)

    def portions(seconds, n, clock=0.0):
        now = iter(np.arange(10_000) * clock)
        monkeypatch.setattr(generate, "time", SimpleNamespace(monotonic=lambda: float(next(now))))
        sizes = []
        with generate._Buffer(lambda portion: sizes.append(len(portion))) as buffer:
            for _ in range(n):
                object.__setattr__(record, "seconds", seconds)
                buffer.add(record)
        return sizes

    assert portions(seconds=60.0, n=4) == [1, 1, 1, 1]
    assert portions(seconds=1.0, n=12) == [5, 5, 2]
    assert portions(seconds=0.0, n=600) == [256, 256, 88]
    assert portions(seconds=math.nan, n=3) == [3]
    assert portions(seconds=0.0, n=7, clock=2.5) == [2, 2, 2, 1]


def test_a_failed_write_is_tried_again_on_the_way_out():
    record = make_record(make_structures(1)[0], 0, make_task())
    written = []

    def emit(portion):
        if not written:
            written.append(None)
            raise KeyboardInterrupt
        written.extend(portion)

    object.__setattr__(record, "seconds", 60.0)  # worth a write of its own
    with pytest.raises(KeyboardInterrupt), generate._Buffer(emit) as buffer:
        buffer.add(record)
    assert written == [None, record]


def test_an_engine_that_breaks_its_word_is_an_error(monkeypatch):
    structures, task = make_structures(2), make_task()
    foreign = make_record(structures[0], 9, task)
    monkeypatch.setattr(generate, "_stream", lambda *a, **k: iter([foreign]))
    with pytest.raises(NnstructError, match="nobody asked for"):
        build(task, structures, config=CONFIG)
    known = make_record(structures[0], 0, task)
    monkeypatch.setattr(generate, "_stream", lambda *a, **k: iter([known, known]))
    with pytest.raises(NnstructError, match="nobody asked for"):
        build(task, structures, config=CONFIG)
    monkeypatch.setattr(generate, "_stream", lambda *a, **k: iter([known]))
    with pytest.raises(NnstructError, match="1 records missing"):
        build(task, structures, config=CONFIG)


def test_protocol_overrides_the_configuration(engine):
    bench = build(make_task(), make_structures(1), config=CONFIG, protocol="faithful")
    (config,) = bench.configs.values()
    assert config == TrainConfig(epochs=CONFIG.epochs, protocol="faithful")
    assert set(build(make_task(), make_structures(1)).configs) == {TrainConfig().id}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"structures": []}, r"structures must hold at least one Structure, got \[\]"),
        ({"structures": ["x"]}, r"structures\[0\] must be a Structure"),
        ({"structures": Structure.from_layers([2, 2])}, "must be a list of Structures"),
        ({"seeds": 0}, "seeds must be a positive integer or a sequence of seeds, got 0"),
        ({"seeds": []}, r"seeds must hold distinct seeds, at least one, got \[\]"),
        ({"seeds": [0, 0]}, r"seeds must hold distinct seeds, at least one, got \[0, 0\]"),
        ({"seeds": [-1]}, r"seeds\[0\] must be a non-negative integer below"),
        ({"seeds": 1.5}, r"seeds must be a positive integer or a sequence of seeds, got 1\.5"),
        ({"seeds": True}, "seeds must be a positive integer or a sequence of seeds, got True"),
        ({"workers": 0}, "workers must be a positive integer"),
        ({"config": {"epochs": 3}}, "config must be a TrainConfig"),
        ({"protocol": "dirty"}, "protocol must be one of clean, faithful"),
        ({"task": 3}, "task must be a Task"),
    ],
)
def test_bad_arguments(engine, change, message):
    arguments = {"task": make_task(), "structures": make_structures(1), "config": CONFIG} | change
    with pytest.raises(InvalidInputError, match=message):
        build(**arguments)
    assert not engine.trained


def test_tables_are_plain_pandas(tmp_path, engine):
    build(make_task(), make_structures(4), seeds=2, config=CONFIG, out=tmp_path)
    records = pd.read_parquet(tmp_path / "data" / "records.parquet")
    costs = pd.read_parquet(tmp_path / "data" / "costs.parquet")
    structures = pd.read_parquet(tmp_path / "data" / "structures.parquet")
    assert len(records) == len(costs) == 8
    assert len(structures) == 4
    assert "seconds" not in records
    assert "engine" not in records
    assert all(len(curve) == CONFIG.epochs for curve in records["val"])
    assert records["fingerprint"].is_monotonic_increasing
    assert set(costs["engine"]) == {"fake"}


def test_progress_goes_to_the_standard_error(engine, capsys, monkeypatch):
    monkeypatch.setattr("nnstruct.progress.MINUTE", 0.0)
    build(make_task(), make_structures(4), seeds=5, config=CONFIG, progress=True)
    shown = capsys.readouterr()
    assert "20 of 20" in shown.err
    assert "nets/s" in shown.err
    assert "diverged" in shown.err
    assert not shown.out


def test_a_structure_that_does_not_fit_leaves_no_trace(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise InvalidInputError("structure", "fit the task", "mlp")

    monkeypatch.setattr(generate, "_stream", refuse)
    with pytest.raises(InvalidInputError, match="fit the task"):
        build(make_task(), make_structures(2), config=CONFIG, out=tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_end_to_end_with_the_real_engine(tmp_path):
    from nnstruct.tasks.base import Task

    strings = ["ab", "ba", "bb", "aa", "aab", "abb", "bab"] * 6
    task = Task.from_sequences("ends-in-b", strings, [int(text.endswith("b")) for text in strings])
    nets = [Structure.from_layers([n, 3], family="rnn_tanh") for n in (2, 3, 4)]
    config = TrainConfig(epochs=2)
    first = build(task, nets[:2], seeds=1, config=config, out=tmp_path / "a", workers=1)
    assert len(first.table) == 2
    bench = build(task, nets, seeds=2, config=config, out=tmp_path / "a", workers=2)
    assert len(bench) == 3
    assert np.isfinite(bench.y).all()
    assert bench.y_count.tolist() == [2, 2, 2]
    assert (bench.table["seconds"] > 0).all()
    build(task, nets, seeds=2, config=config, out=tmp_path / "b", workers=1)
    assert data_bytes(tmp_path / "a") == data_bytes(tmp_path / "b")
