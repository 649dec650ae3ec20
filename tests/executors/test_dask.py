"""The workers of a Dask cluster: the same results, deaths survived, and one sentence where it is gone."""

from __future__ import annotations

import logging

import pytest
from executor_tasks import DEADLY, Noted, begins, given, refuse, squares, who

import nnstruct as ns
from nnstruct.errors import InvalidInputError, NnstructError
from nnstruct.executors import DaskExecutor, Lost, check_executor, open_executor, shard_files

pytest.importorskip("distributed")
ITEMS = list(range(12))


@pytest.mark.parametrize("by", ["client", "address"])
def test_every_item_has_its_result_once(client, by):
    named = client if by == "client" else client.scheduler.address
    assert check_executor(named) is named
    with open_executor(named) as crew:
        assert isinstance(crew, DaskExecutor)
        assert crew.workers == 1
        assert crew.note.startswith(f"Dask: 1 worker at {client.scheduler.address}, dashboard http")
        found = list(crew.run(squares, ITEMS, shared=given(size=1 << 16)))
    assert dict(found) == {place: item**2 + float(1 << 16) for place, item in enumerate(ITEMS)}
    assert len(found) == len(ITEMS)
    assert client.status == "running", "a client that was lent stays open"


def test_an_error_of_the_work_is_raised_here(client):
    with open_executor(client) as crew, pytest.raises(ValueError, match="no "):
        list(crew.run(refuse, ITEMS))


def test_an_item_that_kills_its_worker_is_given_up_and_the_others_are_done(client, tmp_path, caplog):
    items = [1, 2, DEADLY, 3]
    crew = DaskExecutor(client, tries=2)
    with caplog.at_level(logging.WARNING, "nnstruct.executors"):
        found = dict(crew.run(squares, items, shared=given(notes=tmp_path)))
    lost = found.pop(2)
    assert isinstance(lost, Lost)
    assert lost.reason.startswith("2 Dask workers died over it; the last one was ")
    assert found == {0: 4.0, 1: 7.0, 3: 12.0}
    assert begins(tmp_path, DEADLY) == 2
    told = [line.message for line in caplog.records if "in hand" in line.message]
    assert ["try 1 of 2, and other workers go on" in told[0], "try 2 of 2, given up" in told[1]] == [True] * 2


def test_a_benchmark_has_the_bytes_of_a_local_one(client, tmp_path):
    structures = [ns.Structure.from_layers([n, 3], family="rnn_tanh") for n in (2, 3, 4)]
    task, config = ns.load_task("reber", train=60, val=20, test=20), ns.TrainConfig(epochs=1)
    for name, executor in (("local", "local"), ("dask", client), ("threads", "threads")):
        bench = ns.build(
            task, structures, seeds=2, config=config, out=tmp_path / name, executor=executor,
            engine="reference", keep_weights=True, workers=1,
        )  # fmt: skip
        assert len(bench.networks()) == 6
    files = [path.name for path in (tmp_path / "local" / "data").iterdir() if path.name != "costs.parquet"]
    for name in files:
        local, dask, threads = (
            (tmp_path / who / "data" / name).read_bytes() for who in ("local", "dask", "threads")
        )
        assert local == dask == threads, name


def test_an_address_where_nobody_answers_is_one_sentence(monkeypatch):
    from nnstruct.executors import on_dask

    monkeypatch.setattr(on_dask, "_CONNECT", 0.5)
    with pytest.raises(InvalidInputError, match="must be the address of a Dask scheduler that answers"):
        open_executor("tcp://127.0.0.1:9")


# ---- results by way of a storage


def test_results_by_way_of_a_storage_are_the_same_and_nothing_stays(client, tmp_path):
    crew = DaskExecutor(client, storage=tmp_path)
    found = list(crew.run(squares, ITEMS, shared=given()))
    assert sorted(found) == [(place, item**2 + 3.0) for place, item in enumerate(ITEMS)]
    assert list(tmp_path.iterdir()) == []


def test_what_workers_finished_while_nobody_listened_is_not_done_again(client, tmp_path):
    """A call is given up after its first result; a torn file lies beside what is there."""
    notes, storage = tmp_path / "notes", tmp_path / "storage"
    notes.mkdir()
    crew = DaskExecutor(client, storage=storage.as_uri())
    shared = given(notes=notes)
    run = crew.run(squares, ITEMS, shared=shared)
    first = next(run)
    run.close()
    (folder,) = storage.iterdir()
    kept = next(folder.iterdir())
    (folder / f"{'0' * 64}.shard").write_bytes(kept.read_bytes()[:-1])
    found = list(crew.run(squares, [*ITEMS, 99], shared=shared))
    assert first in found
    assert sorted(found) == [(place, item**2 + 3.0) for place, item in enumerate([*ITEMS, 99])]
    assert begins(notes, ITEMS[first[0]]) == 1
    assert list(storage.iterdir()) == []


def test_a_file_that_nobody_signed_is_never_unpickled(client, tmp_path, monkeypatch):
    """Someone else puts results there, under the right name and for these items, by another key."""
    monkeypatch.setenv("NNSTRUCT_CACHE", str(tmp_path / "cache"))
    mine = shard_files.ShardFiles.of(str(tmp_path / "shards"), (squares, given()), ITEMS)
    assert (tmp_path / "cache" / "shards.key").stat().st_mode & 0o777 == 0o600
    assert mine.key == shard_files.signing_key()
    forged = shard_files.ShardFiles(mine.folder, mine.digests, b"x" * 32)
    monkeypatch.setattr(shard_files, "unpacked", lambda parts: pytest.fail("it was unpickled"))
    name = forged.write([0.0] * len(ITEMS))
    assert list(mine.finished()) == []
    with pytest.raises(NnstructError, match="cannot read the results"):
        mine.read(name)
    monkeypatch.undo()
    assert list(forged.finished()) == [(place, 0.0) for place in range(len(ITEMS))], "its owner reads it"


@pytest.mark.parametrize("storage", ["", 3, "nobody-knows://bucket/shards"])
def test_other_storages_are_refused(client, storage):
    with pytest.raises(InvalidInputError, match=r"^storage must be a folder, or a URL that fsspec knows"):
        DaskExecutor(client, storage=storage)


def test_a_storage_that_the_workers_alone_see_is_one_sentence(client, tmp_path, monkeypatch):
    crew = DaskExecutor(client, storage=tmp_path)
    monkeypatch.setattr(shard_files.ShardFiles, "_content", lambda *_: (tmp_path / "elsewhere").read_bytes())
    with pytest.raises(NnstructError, match=r"cannot read the results .* `storage` must be seen by both"):
        list(crew.run(squares, [1], shared=given()))


def test_work_is_unpacked_by_workers_only(client, tmp_path):
    """The scheduler of this cluster lives in this process."""
    (worker,) = DaskExecutor(client).run(who, [Noted(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == [str(worker[1])]
