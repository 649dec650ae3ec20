"""The workers of a Dask cluster: the same results, deaths survived, and one sentence where it is gone."""

from __future__ import annotations

import logging

import pytest
from executor_tasks import DEADLY, begins, given, refuse, squares

import nnstruct as ns
from nnstruct.errors import InvalidInputError
from nnstruct.executors import Lost, check_executor, open_executor
from nnstruct.executors.on_dask import DaskExecutor

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
