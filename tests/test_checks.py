"""One rule for numbers and for lists of Structures, at every public door."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nnstruct as ns
from nnstruct import Space, Structure, TrainConfig
from nnstruct.caches import LookupCache
from nnstruct.checks import check_integer, check_number, check_share, plain
from nnstruct.encode import FeatureTable, GraphEncoder, to_table
from nnstruct.errors import InvalidInputError, NnstructError
from nnstruct.population import Job, stream
from nnstruct.predictors.folds import grouped_folds
from nnstruct.priors import load_prior, sample, stier2021
from nnstruct.probes import functional_features
from nnstruct.properties.capacity import memory_load
from nnstruct.properties.compressibility import greedy_cp
from nnstruct.pruning import Schedule, fit, load_pruner, prune, run_trajectories, run_trajectory, thresholds
from nnstruct.search import Search, Tournament, Truncation
from nnstruct.structure.interchange import structure_from_layers
from nnstruct.structure.recurrence import recurrent_edges
from nnstruct.tasks import Task, load_task

ROOT = Path(ns.__file__).parent
CONFIG = TrainConfig(epochs=2, learning_rate=0.01)
SPACE = Space("rnn_tanh", units=(3, 6))
RNN = Structure.from_layers([2, 2], family="rnn_tanh")
RNNS = [RNN, Structure.from_layers([3, 2], family="rnn_tanh")]
CELL = Structure.from_layers([2, 2], family="cnn")
WORDS = Task.from_sequences("ends-in-b", ["ab", "ba", "bb", "aa", "aab", "abb"] * 9, [1, 0, 1, 0, 1, 1] * 9)
POINTS = Task.from_arrays("points", np.random.default_rng(0).normal(size=(60, 4)), [0, 1, 1] * 20)


def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def train(**options: Any) -> list[Any]:
    records = ns.train(RNNS, WORDS, config=CONFIG, **({"engine": "reference"} | options))
    return [(record.fingerprint, record.seed, record.val.tolist()) for record in records]


def build(**options: Any) -> Any:
    return ns.build(WORDS, RNNS, config=CONFIG, **({"engine": "reference", "workers": 1} | options))


def build_scores(**options: Any) -> list[Any]:
    return build(**options).table[["fingerprint", "seed", "test"]].values.tolist()


def trajectories(**options: Any) -> Any:
    return run_trajectories("mlp:3", POINTS, [0.5], config=CONFIG, **options)


def steps(**options: Any) -> list[Any]:
    runs = trajectories(**options)
    return [(run.seed, json.dumps(run.schedule), run.table["kept"].tolist()) for run in runs]


def schedule(**options: Any) -> str:
    chosen = Schedule(**options)
    chosen.check([0.5, 0.25], CONFIG)
    return json.dumps(chosen.to_dict())


def halves(test: Any) -> list[list[str]]:
    return [part.fingerprints for part in bench().split(test, seed=1)]


@cache
def bench() -> Any:
    return build()


def names(structures: list[Structure]) -> list[str]:
    return [json.dumps([s.fingerprint, dict(s.origin)]) for s in structures]


Kind = Callable[[Any], Any]
TAKEN: dict[str, Callable[[Kind, Kind], Any]] = {
    "Space": lambda i, f: Space("cnn", (i(3), i(6)), max_edges=i(9), channels=(i(2), i(4)), stages=i(2)),
    "Space.to_dict": lambda i, f: json.dumps(Space("cnn", (i(3), i(6)), i(9), stages=i(2)).to_dict()),
    "hash of Space": lambda i, f: hash(Space("mlp", units=(i(3), i(6)))),
    "Structure": lambda i, f: names([Structure([[0], [1]], i(2), attributes={"stage": (i(0), i(1))})]),
    "from_layers": lambda i, f: names([structure_from_layers([i(2), i(3)])]),
    "recurrence": lambda i, f: recurrent_edges(
        "random", RNN.forward_edges, RNN.layer, seed=i(1), density=f(0.5)
    ).tolist(),
    "TrainConfig": lambda i, f: TrainConfig(epochs=i(3), batch_size=i(9), learning_rate=f(0.25)).id,
    "prior": lambda i, f: names([load_prior("erdos-renyi", units=i(9), p=f(0.5)).sample(i(1), family="mlp")]),
    "prior with a list": lambda i, f: load_prior("dense-layered", sizes=[i(3), i(2)]).to_dict(),
    "sample": lambda i, f: names(sample(SPACE, i(3), seed=i(1))),
    "stier2021": lambda i, f: names(stier2021(i(2), seed=i(0), family="gru")),
    "features": lambda i, f: ns.features(RNNS, workers=i(1), cache=False).to_json(),
    "memory_load": lambda i, f: memory_load(RNNS, samples=i(200)).tolist(),
    "LookupCache": lambda i, f: LookupCache(i(3)).capacity,
    "greedy_cp": lambda i, f: greedy_cp(np.eye(3)[:, :, None], share=f(0.5))[0].tolist(),
    "train": lambda i, f: train(seeds=i(2), workers=i(1)),
    "train with seeds": lambda i, f: train(seeds=[i(3), i(1)]),
    "stream": lambda i, f: [
        type(r.seed) for r in stream([Job(RNN, i(2))], WORDS, CONFIG, engine="reference")
    ],
    "build": lambda i, f: build_scores(seeds=i(2), workers=i(1)),
    "split": lambda i, f: halves(f(0.5)),
    "folds": lambda i, f: grouped_folds(["a", "b", "c"], i(2), 0).tolist(),
    "prune": lambda i, f: prune(layer(), f(0.5), seed=i(1)).weight.tolist(),
    "pruner": lambda i, f: json.dumps(load_pruner("rigl", moves=i(3), end=f(0.5)).to_dict()),
    "fit": lambda i, f: fit(layer(), POINTS, CONFIG, patience=i(2), seed=i(1))[1],
    "Schedule": lambda i, f: schedule(retrain=i(2), patience=i(1), finish=i(0), prune_share=f(0.5)),
    "Schedule with a list": lambda i, f: schedule(pretrain=i(1), retrain=[i(2), i(1)], retrain_rate=f(0.5)),
    "trajectories": lambda i, f: steps(seeds=i(1), workers=i(1), schedule=Schedule(retrain=i(1))),
    "probes": lambda i, f: functional_features(
        [layer()], POINTS, ["zero_cost"], samples=i(8), seed=i(1)
    ).to_json(),
    "ask": lambda i, f: names(Search(SPACE, population=i(4), seed=i(1), random_share=f(0.25)).ask(i(2))),
    "Tournament": lambda i, f: repr(Tournament(i(3))),
    "Truncation": lambda i, f: repr(Truncation(f(0.5))),
    "shapes": lambda i, f: (
        load_task("shapes", train=i(16), val=i(8), test=i(8), difficulty=f(0.5)).fingerprint
    ),
    "reber": lambda i, f: load_task("reber", train=i(40), val=i(20), test=i(20), seed=i(1)).fingerprint,
    "held out": lambda i, f: (
        Task.from_splits(
            "own",
            (POINTS.train.inputs, POINTS.train.targets),
            f(0.25),
            (POINTS.test.inputs, POINTS.test.targets),
        ).fingerprint
    ),
}


@pytest.mark.parametrize(
    "kinds", [(np.int64, np.float32), (np.uint8, np.float64)], ids=["signed", "unsigned"]
)
@pytest.mark.parametrize("door", TAKEN)
def test_numbers_of_numpy_do_what_plain_ones_do(door: str, kinds: tuple[Kind, Kind]) -> None:
    assert TAKEN[door](*kinds) == TAKEN[door](int, float)


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "Space": (lambda no: Space("mlp", units=(no, 6)), "units must be integers with 2 <= fewest <= most"),
    "Space edges": (lambda no: Space("mlp", max_edges=no), "max_edges must be an integer, at least 9"),
    "Space channels": (
        lambda no: Space("cnn", channels=(no, 3)),
        "channels must be integers with 1 <= least <= greatest",
    ),
    "Structure": (lambda no: Structure([[], []], no), "num_units must be an integer"),
    "unit": (lambda no: Structure([[], []], 1, attributes={"stage": [no]}), "must hold strings or integers"),
    "from_layers": (lambda no: structure_from_layers([no, 2]), "sizes must be positive integers"),
    "recurrence": (
        lambda no: recurrent_edges("random", RNN.forward_edges, RNN.layer, density=no),
        r"density must be in \[0, 1\]",
    ),
    "prior": (lambda no: load_prior("erdos-renyi", units=no, p=0.5), "units must be a valid integer"),
    "sample": (lambda no: sample(SPACE, no), "n must be a non-negative integer"),
    "stier2021": (lambda no: stier2021(no, seed=0, family="gru"), "count must be a non-negative integer"),
    "features": (lambda no: ns.features(RNNS, workers=no), "workers must be a positive integer or None"),
    "memory_load": (lambda no: memory_load(RNNS, samples=no), "samples must be a positive integer"),
    "LookupCache": (lambda no: LookupCache(no), "capacity must be a positive integer"),
    "greedy_cp": (lambda no: greedy_cp(np.eye(3)[:, :, None], share=no), r"share must be in \(0, 1\)"),
    "train": (lambda no: train(seeds=no), "seeds must be a positive integer or a sequence of seeds"),
    "train workers": (lambda no: train(workers=no), "workers must be a positive integer or None"),
    "stream": (
        lambda no: stream([Job(RNN, no)], WORDS, CONFIG, engine="reference"),
        "seed must be a non-negative integer",
    ),
    "build": (lambda no: build(seeds=no), "seeds must be a positive integer or a sequence of seeds"),
    "build workers": (lambda no: build(workers=no), "workers must be a positive integer or None"),
    "split": (lambda no: bench().split(no), r"test must be a share in \(0, 1\)"),
    "folds": (lambda no: grouped_folds(["a", "b", "c"], no, 0), "folds must be an integer of at least 2"),
    "prune": (lambda no: prune(layer(), no), r"density must be a share in \[0, 1\]"),
    "pruner": (
        lambda no: prune(layer(), 0.5, method="snip", samples=no, task=POINTS),
        "samples must be a positive integer",
    ),
    "fit": (
        lambda no: fit(layer(), POINTS, CONFIG, patience=no),
        "patience must be a positive integer or None",
    ),
    "Schedule": (lambda no: schedule(retrain=no), "retrain must hold integers, at least 0"),
    "Schedule list": (lambda no: schedule(retrain=[no, 1]), "retrain must hold integers, at least 0"),
    "Schedule pretrain": (lambda no: schedule(pretrain=no), "pretrain must be an integer, at least 0"),
    "Schedule patience": (lambda no: schedule(patience=no), "patience must be a positive integer or None"),
    "Schedule share": (lambda no: schedule(prune_share=no), r"prune_share must be a share in \(0, 1\]"),
    "trajectory": (
        lambda no: run_trajectory("mlp:3", POINTS, [0.5], retrain=no),
        "retrain must hold integers, at least 0",
    ),
    "trajectories": (lambda no: trajectories(workers=no), "workers must be a positive integer or None"),
    "thresholds": (lambda no: thresholds([], confidence=no), r"confidence must be a share in \(0, 1\)"),
    "probes": (
        lambda no: functional_features([layer()], POINTS, ["zero_cost"], samples=no),
        "samples must be an integer of at least 2",
    ),
    "ask": (lambda no: Search(SPACE).ask(no), "n must be a positive integer"),
    "Search rates": (lambda no: Search(SPACE, random_share=no).ask(), r"random_share must be in \[0, 1\]"),
    "Tournament": (lambda no: Tournament(no), "size must be a positive integer"),
    "Truncation": (lambda no: Truncation(no), r"share must be in \(0, 1\]"),
    "shapes": (lambda no: load_task("shapes", difficulty=no), r"difficulty must be in 0\.\.1"),
    "reber": (lambda no: load_task("reber", train=no), "train must be an integer from 2 on"),
    "extract": (lambda no: ns.extract.extract(layer(), torch.ones(1, 4), threshold=no), "threshold must be"),
}


@pytest.mark.parametrize("no", [True, np.True_, "1"], ids=["bool", "bool of numpy", "text"])
@pytest.mark.parametrize("door", REFUSED)
def test_what_is_no_number_is_refused_with_one_sentence(door: str, no: Any) -> None:
    call, message = REFUSED[door]
    if (door, no) == ("unit", "1"):
        pytest.skip("an attribute of a unit may be text")
    with pytest.raises(InvalidInputError, match=f"^[^.]*{message}"):
        call(no)


@pytest.mark.parametrize("no", [True, np.True_, "3", 1.5])
def test_a_configuration_takes_integers_where_it_counts(no: Any) -> None:
    with pytest.raises(ValueError, match=r"epochs must be a valid integer, got "):
        TrainConfig(epochs=no)


@pytest.mark.parametrize("no", [True, np.True_, "0.1"])
def test_a_configuration_takes_numbers_where_it_measures(no: Any) -> None:
    with pytest.raises(ValueError, match=r"learning_rate must be a valid number, got "):
        TrainConfig(learning_rate=no)


def test_a_seed_given_twice_is_refused_alike() -> None:
    found = []
    for door in (train, build, trajectories):
        with pytest.raises(InvalidInputError) as caught:
            door(seeds=[0, 0])
        found.append(str(caught.value))
    assert set(found) == {"seeds must hold distinct seeds, at least one, got [0, 0]."}


# ---- lists of Structures

LISTS: dict[str, Callable[[Any], Any]] = {
    "features": lambda given: ns.features(given),
    "memory_load": lambda given: memory_load(given, samples=9),
    "train": lambda given: ns.train(given, WORDS, config=CONFIG, engine="reference"),
    "build": lambda given: ns.build(WORDS, given, config=CONFIG, engine="reference", workers=1),
    "labels": lambda given: bench().labels(given),
    "tell": lambda given: Search(SPACE).tell(given, [0.5, 0.6]),
    "warm_start": lambda given: Search(SPACE).warm_start(given, [0.5, 0.6]),
    "to_table": to_table,
    "FeatureTable": lambda given: FeatureTable().fit(given),
    "GraphEncoder.fit": lambda given: GraphEncoder().fit(given),
    "GraphEncoder.transform": lambda given: GraphEncoder().fit(RNNS).transform(given),
    "predictor": lambda given: ns.predictors.BayesianRidge().fit(given, [0.5, 0.6]),
    "evaluate": lambda given: ns.evaluate(
        [ns.predictors.BayesianRidge()], SimpleNamespace(structures=given, y=[1])
    ),
}


@pytest.mark.parametrize("door", LISTS)
def test_a_single_structure_is_to_be_wrapped(door: str) -> None:
    with pytest.raises(
        InvalidInputError, match=r"structures must be a list of Structures, got .*: \[structure\]"
    ):
        LISTS[door](RNN)


@pytest.mark.parametrize("door", LISTS)
def test_what_is_no_structure_is_named_by_its_place(door: str) -> None:
    with pytest.raises(InvalidInputError, match=r"structures\[1\] must be a Structure, got 5\."):
        LISTS[door]([RNN, 5])


@pytest.mark.parametrize("door", sorted(set(LISTS) - {"evaluate"}))
def test_a_network_stands_for_its_structure(door: str) -> None:
    networks = [
        ns.Network(structure, np.ones((structure.num_edges, 1)), np.ones((structure.num_units, 1)))
        for structure in RNNS
    ]
    LISTS[door](networks)


# ---- the checks themselves


def test_checks_return_plain_values() -> None:
    assert type(check_integer(np.uint8(3), "n")) is int
    assert type(check_number(np.float32(0.5), "p")) is float
    assert type(check_number(3, "p")) is float
    assert type(check_share(np.float64(0.5), "p")) is float


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_integer(-1, "n", low=0), "n must be a non-negative integer, got -1"),
        (lambda: check_integer(1, "n", low=2), "n must be an integer of at least 2, got 1"),
        (lambda: check_integer(9, "n", high=8), r"n must be an integer in 1\.\.8, got 9"),
        (lambda: check_integer("x", "n", low=None), "n must be an integer, got 'x'"),
        (
            lambda: check_integer(0, "n", hint="Give one."),
            r"n must be a positive integer, got 0\. Give",
        ),
        (lambda: check_number(np.nan, "p"), "p must be a finite number, got nan"),
        (lambda: check_number(0, "p", low=0, open_low=True), "p must be a positive number, got 0"),
        (lambda: check_number(-1, "p", low=0), "p must be a finite number of at least 0, got -1"),
        (lambda: check_number(2, "p", low=0, high=1, open_high=True), r"p must be in \[0, 1\), got 2"),
        (lambda: check_share(0, "p", ends="(]"), r"p must be a share in \(0, 1\], got 0"),
        (lambda: check_share(np.inf, "p"), r"p must be a share in \(0, 1\), got inf"),
    ],
)
def test_checks_name_field_rule_and_value(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(NnstructError, match=f"^{message}"):
        call()


def test_plain_reaches_into_lists_and_keeps_what_is_plain() -> None:
    found = plain([np.int64(1), (np.float32(0.5), "x"), np.array([[1, 2]]), np.True_, None])
    assert found == [1, (0.5, "x"), [[1, 2]], True, None]
    assert [type(value) for value in found] == [int, tuple, list, bool, type(None)]
    held = {"kept": np.int64(1)}
    assert plain(held) is held


# ---- no other place decides what a number is

NUMBERS = {"bool", "int", "float", "integer", "floating", "number", "bool_", "Integral", "Real"}
# Where the type of a number is asked for, but no option is checked.
ALLOWED = {
    "checks.py": "the rule itself",
    "benchmark/manifest.py": "the version in a file that may be newer",
    "cli/tables.py": "integers are printed without decimals",
    "predictors/persistence.py": "the version in a file that may be newer",
    "predictors/pipeline_checks.py": "what a file holds is walked through",
    "program/steps.py": "numbers that JSON has no name for are written by name",
    "properties/units.py": "attributes that are text have no value",
    "recipes/reading.py": "the path of a key: places in lists and names",
    "tasks/image_files.py": "integers are printed with commas",
    "testing/predictors.py": "which parameters have a number as default",
    "testing/tasks.py": "sizes of splits that are numbers, no shares",
}


def asked_types(source: str) -> list[int]:
    """The lines that ask whether a value is a number, by isinstance or by type()."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            asked: list[ast.AST] = [node.args[1]]
        elif isinstance(node, ast.Compare) and getattr(getattr(node.left, "func", None), "id", "") == "type":
            asked = list(node.comparators)
        else:
            continue
        known = {
            getattr(part, "attr", getattr(part, "id", "")) for place in asked for part in ast.walk(place)
        }
        if known & NUMBERS:
            found.append(node.lineno)
    return found


def test_no_other_place_decides_what_a_number_is() -> None:
    asking = {
        str(path.relative_to(ROOT)): lines
        for path in sorted(ROOT.rglob("*.py"))
        if path.relative_to(ROOT).parts[0] != "extract" and (lines := asked_types(path.read_text()))
    }
    assert {path: lines for path, lines in asking.items() if path not in ALLOWED} == {}
    assert sorted(ALLOWED) == sorted(asking), "a file on the list asks no more"


@pytest.mark.parametrize(
    "line",
    [
        "isinstance(x, bool)", "isinstance(x, int | np.integer)", "isinstance(x, (str, float))",
        "type(x) is int", "type(x) in (int, float)", "not isinstance(x, numbers.Real)",
    ],
)  # fmt: skip
def test_the_search_sees(line: str) -> None:
    assert asked_types(f"ok = {line}") == [1]


@pytest.mark.parametrize("line", ["isinstance(x, str | None)", "type(x) is list", "int(x)", "float == x"])
def test_the_search_leaves(line: str) -> None:
    assert asked_types(f"ok = {line}") == []
