"""A training over which workers died is recorded as failed, with the reason; the next build mends it."""

from __future__ import annotations

import numpy as np
import pytest
from benchmark_fakes import data_bytes

import nnstruct as ns
from nnstruct.benchmark import Benchmark, check_card
from nnstruct.executors import Lost, ThreadExecutor

TASK = ns.load_task("digits")
NETS = [ns.Structure.from_layers([n, 2]) for n in (3, 4, 5)]
HOW = {"seeds": 2, "config": ns.TrainConfig(epochs=1)}
REASON = "3 workers died over it; the last one was killed (SIGKILL)"


class Deadly(ThreadExecutor):
    """Its workers die over the third item."""

    def run(self, task, items, *, shared=None, costs=None):
        for place, result in super().run(task, items, shared=shared, costs=costs):
            yield place, Lost(REASON) if place == 2 else result


@pytest.mark.parametrize("keep", [False, True])
def test_the_build_goes_on_and_the_next_one_mends_it(tmp_path, keep):
    folder, whole = tmp_path / "failed", tmp_path / "whole"
    bench = ns.build(TASK, NETS, **HOW, out=folder, executor=Deadly(2), keep_weights=keep)
    assert bench.table["status"].value_counts().to_dict() == {"ok": 5, "failed": 1}
    (failed,) = bench.table[bench.table["status"] == "failed"].to_dict("records")
    assert failed["reason"] == REASON
    assert np.isnan([failed["test"], failed["test_loss"], *failed["val"]]).all()
    assert set(bench.table["reason"]) == {REASON, ""}
    assert bench.y_count.tolist() == [2 - (s.fingerprint == failed["fingerprint"]) for s in bench.structures]
    assert Benchmark.load(folder).table.equals(bench.table)
    assert check_card(folder) == []
    trained = []
    ns.build(TASK, NETS, **HOW, out=folder, keep_weights=keep, workers=1, on_record=trained.append)
    assert [record.key[0] for record in trained] == [failed["fingerprint"]]
    ns.build(TASK, NETS, **HOW, out=whole, keep_weights=keep, workers=1)
    assert data_bytes(folder) == data_bytes(whole)
    assert Benchmark.load(folder).table["reason"].eq("").all()


def test_records_without_a_failure_are_written_as_they_always_were(tmp_path):
    ns.build(TASK, NETS[:1], **HOW, out=tmp_path, workers=1)
    import pyarrow.parquet as pq

    assert "reason" not in pq.read_schema(tmp_path / "data" / "costs.parquet").names
    assert "reason" not in pq.read_schema(tmp_path / "data" / "records.parquet").names


def test_a_benchmark_is_scanned_as_a_dataset(tmp_path):
    import pyarrow.dataset as ds

    bench = ns.build(TASK, NETS, **HOW, out=tmp_path, workers=1)
    for one in (bench, Benchmark.load(tmp_path), ns.build(TASK, NETS, **HOW, workers=1)):
        found = one.scan().to_table(columns=["fingerprint", "test"], filter=ds.field("seed") == 1)
        rows = one.table[one.table["seed"] == 1]
        assert found.column("test").to_pylist() == rows["test"].tolist()
        assert found.column("fingerprint").to_pylist() == rows["fingerprint"].tolist()
    part = bench.select(bench.fingerprints[:1])
    assert part.scan().count_rows() == 2


def test_the_table_is_read_when_it_is_asked_for(tmp_path):
    ns.build(TASK, NETS, **HOW, out=tmp_path, workers=1)
    bench = Benchmark.load(tmp_path)
    y = bench.select_family("mlp").with_target("val_best").y
    assert (len(bench), repr(bench)[:32]) == (3, "Benchmark(3 structures, 6 record")
    assert "table" not in vars(bench)
    assert not bench._all._parsed, "no structure was parsed for the labels"
    assert np.array_equal(y, bench.with_target("val_best").y)
    best = (
        bench.table.assign(v=[curve.max() for curve in bench.table["val"]]).groupby("fingerprint")["v"].mean()
    )
    assert y.tolist() == best[bench.fingerprints].tolist()
    assert bench.structures_at([1]) == [NETS[1]]
