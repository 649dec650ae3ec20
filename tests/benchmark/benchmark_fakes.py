"""A stand-in for the training engine: records that depend on (structure, seed, config) only."""

from __future__ import annotations

import time

import networkx as nx
import numpy as np

from nnstruct.random import generator
from nnstruct.record import Record, TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks.base import Task

CONFIG = TrainConfig(epochs=4)


def make_task(flip=0):
    inputs = np.arange(40, dtype=np.float32).reshape(20, 2)
    targets = (np.arange(20) + flip) % 2
    return Task.from_arrays("toy", inputs, targets)


def make_structures(n, units=8):
    graphs = (nx.gnp_random_graph(units + i % 5, 0.4, seed=i, directed=False) for i in range(10 * n))
    distinct = {}
    for i, graph in enumerate(graphs):
        graph.add_edges_from(nx.utils.pairwise(graph.nodes))
        structure = Structure.from_networkx(graph, family="rnn_tanh").with_origin(
            prior="gnp" if i % 2 else "path"
        )
        distinct.setdefault(structure.fingerprint, structure)
        if len(distinct) == n:
            return list(distinct.values())
    raise AssertionError("too few distinct structures")


def make_record(structure, seed, task, config=CONFIG, engine="fake"):
    truth = generator(structure.fingerprint, config.id).normal(0.8, 0.05)
    rng = generator(structure.fingerprint, config.id, seed)
    diverged = rng.random() < 0.05
    val = np.sort(truth + rng.normal(0, 0.02, config.epochs))
    if diverged:
        val[config.epochs // 2 :] = np.nan
    return Record(
        fingerprint=structure.fingerprint,
        family=structure.family,
        task=task.name,
        task_fingerprint=task.fingerprint,
        config_id=config.id,
        seed=seed,
        status="diverged" if diverged else "ok",
        train_loss=2 - val,
        val_loss=1.5 - val,
        val=val,
        test=float(val[-1]) + float(rng.normal(0, 0.02)),
        test_loss=1 - float(val[-1]),
        parameters=structure.num_edges + structure.num_units,
        seconds=float(np.random.default_rng().random()) / 100,
        engine=engine,
    )


class FakeEngine:
    """Yields records in an order that depends on the number of workers, slowly or without end if asked to."""

    def __init__(self, delay=0.0, endless=False):
        self.delay, self.endless = delay, endless
        self.calls = []
        self.trained = []

    def __call__(self, pairs, task, config, *, engine, device, workers):
        self.calls.append(len(pairs))
        order = np.random.default_rng(workers).permutation(len(pairs)) if workers > 1 else range(len(pairs))
        return self._records([pairs[i] for i in order], task, config)

    def _records(self, pairs, task, config):
        for number, (structure, seed) in enumerate(pairs, 1):
            # Endless, it never reaches the last one, however long nobody ends it.
            while self.endless and number == len(pairs):
                time.sleep(1.0)
            if self.delay:
                time.sleep(self.delay)
            self.trained.append((structure.fingerprint, seed))
            yield make_record(structure, seed, task, config)


def data_bytes(folder):
    """The reproducible files of a finished benchmark."""
    return {name: (folder / "data" / f"{name}.parquet").read_bytes() for name in ("structures", "records")}


def build_in_child(folder, num_structures, seeds, delay, max_shards, ready=None, wait=0.0, endless=False):
    """Body of a child process: a build with the fake engine and a write for every few records."""
    from nnstruct.benchmark import generate, store

    generate._stream = FakeEngine(delay, endless)
    generate.FLUSH_RECORDS = 3
    store.MAX_SHARDS = max_shards
    structures = make_structures(num_structures)

    def log(record):
        with open(f"{folder}.log", "a") as file:
            file.write(f"{record.fingerprint} {record.seed}\n")

    if ready is not None:
        ready.set()
    generate.build(make_task(), structures, seeds=seeds, config=CONFIG, out=folder, wait=wait, on_record=log)
