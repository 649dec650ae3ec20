"""A zoo: weights beside the records, the same bytes however often the build was interrupted."""

import multiprocessing
import shutil
import time
from collections import Counter

import numpy as np
import pytest
from benchmark_fakes import CONFIG, make_record, make_structures, make_task
from safetensors.numpy import load_file

from nnstruct import Structure, TrainConfig, files, load_task
from nnstruct.benchmark import Benchmark, build, generate, repair, store, weight_merge
from nnstruct.benchmark.contents import read_contents
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.modules import module_from_network
from nnstruct.population import Trained, train_network
from nnstruct.random import generator

TASK, FEW, KEEP = make_task(), make_structures(4), [1, 3, 4]


def fake_weights(structure, config, seed, epoch):
    rng = generator(structure.fingerprint, config.id, seed, epoch)
    shapes = {"weight": (structure.num_edges, 1), "bias": (structure.num_units, 1), "readout_bias": (2,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


class FakeZoo:
    """Stands for the engines: weights that depend on structure, seed and epoch; the diverged lose some.

    With ``stop_after``, so many networks are trained, and the next takes for ever.
    """

    def __init__(self, stop_after=None):
        self.stop_after, self.trained = stop_after, []

    def __call__(self, pairs, task, config, keep, engine, device, workers):
        return self._run(pairs, task, config, keep)

    def _run(self, pairs, task, config, keep):
        for structure, seed in pairs:
            while self.stop_after == len(self.trained):
                time.sleep(1.0)
            self.trained.append((structure.fingerprint, seed))
            record = make_record(structure, seed, task, config)
            last = config.epochs // 2 if record.status == "diverged" else config.epochs
            kept = {e: fake_weights(structure, config, seed, e) for e in keep if e <= last}
            yield Trained(record, kept)


@pytest.fixture
def zoo(monkeypatch):
    fake = FakeZoo()
    monkeypatch.setattr(generate, "_stream_kept", fake)
    return fake


def all_bytes(folder):
    """Every reproducible file of a finished zoo by name."""
    return {p.name: p.read_bytes() for p in (folder / "data").iterdir() if p.name != "costs.parquet"}


def small(folder, seeds=3, keep=KEEP):
    return build(TASK, FEW, seeds=seeds, config=CONFIG, out=folder, keep_weights=keep)


def check_networks(bench, keep=KEEP):
    rows = bench.networks(epoch="all")
    diverged = bench.table["status"].eq("diverged")
    expected = [
        (row.fingerprint, row.seed, epoch)
        for row in bench.table.itertuples()
        for epoch in keep
        if row.status == "ok" or epoch <= CONFIG.epochs // 2
    ]
    assert list(zip(*(rows.table[n] for n in ("fingerprint", "seed", "epoch")), strict=True)) == expected
    assert len(rows) == len(expected)
    by_name = {s.fingerprint: s for s in [*bench.structures, *bench.unlabelled]}
    for network, row in zip(rows, rows.table.itertuples(), strict=True):
        assert network.structure == by_name[row.fingerprint]
        truth = fake_weights(network.structure, CONFIG, row.seed, row.epoch)
        np.testing.assert_array_equal(network.weight, truth["weight"].astype(np.float16))
        np.testing.assert_array_equal(network.bias, truth["bias"].astype(np.float16))
        np.testing.assert_array_equal(
            network.tensors["readout_bias"], truth["readout_bias"].astype(np.float16)
        )
        assert row.val_then == row.val[row.epoch - 1]
    return diverged.any()


def test_every_network_comes_back_from_the_disk_and_from_memory(tmp_path, zoo):
    assert check_networks(small(tmp_path, seeds=9)), "no training diverged"
    check_networks(Benchmark.load(tmp_path))
    check_networks(build(TASK, FEW, seeds=9, config=CONFIG, keep_weights=KEEP))
    names = sorted(p.name for p in tmp_path.rglob("*") if p.suffix == ".safetensors")
    assert len(names) == 1
    manifest = read_contents(tmp_path).manifest
    assert manifest.files[f"data/{names[0]}"].sha256 == files.sha256(
        (tmp_path / "data" / names[0]).read_bytes()
    )
    assert {v.dtype for v in load_file(tmp_path / "data" / names[0]).values()} == {np.dtype(np.float16)}


def test_rows_are_chosen_by_seed_epoch_and_slice(tmp_path, zoo):
    bench = small(tmp_path)
    last = bench.networks()
    assert set(last.table["epoch"]) <= set(KEEP)
    assert last.table.groupby(["fingerprint", "seed"]).size().max() == 1
    one = bench.networks(seed=1, epoch=3)
    assert set(one.table["seed"]) == {1}
    assert set(one.table["epoch"]) == {3}
    part = one[1:3]
    assert [n.structure.fingerprint for n in part] == one.table["fingerprint"].tolist()[1:3]
    first, second = bench.split(0.5)
    assert set(first.networks().table["fingerprint"]) == set(first.fingerprints)
    both = first.merge(second).networks(epoch="all")
    assert len(both) == len(bench.networks(epoch="all"))
    for argument, value in (("epoch", "first"), ("epoch", 0), ("seed", -1)):
        with pytest.raises(InvalidInputError, match=argument):
            bench.networks(**{argument: value})
    with pytest.raises(MissingDataError, match="keep_weights=True"):
        bench.networks(epoch=2)


def test_a_saved_copy_holds_the_same_weights(tmp_path, zoo):
    small(tmp_path / "a").save(tmp_path / "b")
    assert all_bytes(tmp_path / "a") == all_bytes(tmp_path / "b")


def test_what_lacks_weights_is_trained_again_and_nothing_else(tmp_path, zoo, engine):
    build(TASK, FEW[:2], seeds=2, config=CONFIG, out=tmp_path / "a")
    records = (tmp_path / "a" / "data" / "records.parquet").read_bytes()
    build(TASK, FEW[:2], seeds=2, config=CONFIG, out=tmp_path / "a", keep_weights=[4])
    assert len(zoo.trained) == 4
    assert (tmp_path / "a" / "data" / "records.parquet").read_bytes() == records
    build(TASK, FEW[:2], seeds=2, config=CONFIG, out=tmp_path / "a", keep_weights=True)
    build(TASK, FEW[:2], seeds=2, config=CONFIG, out=tmp_path / "a")
    assert len(zoo.trained) == 4
    small(tmp_path / "a", seeds=3)
    small(tmp_path / "whole", seeds=3)
    assert all_bytes(tmp_path / "a") == all_bytes(tmp_path / "whole")


def test_large_zoos_are_cut_between_structures(tmp_path, zoo, monkeypatch):
    monkeypatch.setattr(weight_merge, "FILE_BYTES", 600)
    bench = small(tmp_path)
    check_networks(bench)
    held = [
        {name.partition(".")[0] for name in load_file(path)}
        for path in sorted((tmp_path / "data").glob("weights-*"))
    ]
    assert len(held) > 1
    assert max(Counter(name for names in held for name in names).values()) == 1
    assert sorted(set().union(*held)) == sorted(bench.fingerprints)


class Crash(BaseException):
    """Stands for the loss of power."""


def test_a_crash_at_every_disk_operation_leaves_the_same_bytes(tmp_path, zoo, monkeypatch):
    monkeypatch.setattr(generate, "FLUSH_RECORDS", 2)
    monkeypatch.setattr(store, "MAX_SHARDS", 4)
    monkeypatch.setattr(weight_merge, "FILE_BYTES", 600)
    monkeypatch.setattr(files.os, "fsync", lambda handle: None)
    monkeypatch.setattr(generate, "write_card_unless_foreign", lambda bench, folder: None)
    left = [10**9]

    def guarded(operation):
        def run(*arguments):
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return operation(*arguments)

        return run

    for name in ("write_and_sync", "move", "remove", "sync_folder"):
        monkeypatch.setattr(files, name, guarded(getattr(files, name)))
    small(tmp_path / "whole", seeds=2)
    operations, expected = 10**9 - left[0], all_bytes(tmp_path / "whole")
    for limit in range(0, operations, 3):
        folder = tmp_path / "crashed"
        left[0] = limit
        with pytest.raises(Crash):
            small(folder, seeds=2)
        left[0] = 10**9
        small(folder, seeds=2)
        assert all_bytes(folder) == expected, limit
        assert not list((folder / "shards").iterdir())
        shutil.rmtree(folder)


def build_zoo(folder, stop_after):
    generate._stream_kept = FakeZoo(stop_after)
    generate.FLUSH_RECORDS = 2
    small(folder, seeds=9)


def test_a_killed_build_goes_on(tmp_path, zoo):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["nnstruct.benchmark.generate"])
    child = context.Process(target=build_zoo, args=(tmp_path / "killed", 17), daemon=True)
    child.start()
    latest = time.monotonic() + 300.0
    while len(list(tmp_path.glob("killed/shards/records-*"))) < 8:
        assert child.is_alive()
        assert time.monotonic() < latest
        time.sleep(0.01)
    check_networks(Benchmark.load(tmp_path / "killed"))
    child.kill()
    child.join()
    small(tmp_path / "killed", seeds=9)
    assert len(zoo.trained) == 36 - 16
    small(tmp_path / "whole", seeds=9)
    assert all_bytes(tmp_path / "killed") == all_bytes(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test_damage_is_named_and_repaired_by_training_again(damage, tmp_path, zoo):
    small(tmp_path)
    whole = all_bytes(tmp_path)
    (path,) = (tmp_path / "data").glob("weights-*")
    data = path.read_bytes()
    if damage == "delete":
        path.unlink()
        with pytest.raises(CorruptFileError, match="weights-00001"):
            Benchmark.load(tmp_path)
    else:
        changed = bytearray(data if damage == "flip" else data[:-10])
        changed[len(changed) // 2] ^= 1
        path.write_bytes(changed)
        bench = Benchmark.load(tmp_path)
        with pytest.raises(CorruptFileError, match="weights-00001"):
            bench.networks()
    assert [p.name for p in repair(tmp_path)] == [path.name]
    before = len(zoo.trained)
    small(tmp_path)
    assert len(zoo.trained) - before == 12
    assert all_bytes(tmp_path) == whole


@pytest.mark.parametrize("keep", [[0], [5], "last", [1.5], 3, [True]])
def test_epochs_that_are_none_are_refused(keep, zoo):
    with pytest.raises(InvalidInputError, match="keep_weights must be True, False or a list of epochs"):
        build(TASK, FEW, config=CONFIG, keep_weights=keep)


def test_other_protocols_have_no_networks(zoo):
    with pytest.raises(InvalidInputError, match="be 'clean' to keep weights"):
        build(TASK, FEW, config=TrainConfig(protocol="faithful"), keep_weights=True)


def test_a_kept_network_scores_as_its_record_says():
    import torch

    task, config = load_task("digits"), TrainConfig(epochs=2)
    nets = [Structure.from_layers([6, 4]), Structure.from_layers([8])]
    bench = build(task, nets, seeds=2, config=config, keep_weights=[2], workers=1)
    rows = bench.networks(epoch=2)
    assert len(rows) == 4
    for network, row in zip(rows, rows.table.itertuples(), strict=True):
        trained, _ = train_network(network.structure, task, seed=row.seed, config=config)
        np.testing.assert_array_equal(network.weight, trained.weight.astype(np.float16))
        with torch.no_grad():
            scores = module_from_network(network)(torch.tensor(task.test.inputs))
        accuracy = (scores.argmax(1).numpy() == task.test.targets).mean()
        assert abs(accuracy - row.test) < 0.02
