"""What a newcomer gets wrong, and the one sentence that it is told by."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import nnstruct as ns
from nnstruct.errors import NnstructError

NETS = [ns.Structure.from_layers([2, width, 2]) for width in range(1, 5)]
SIZES = [float(net.num_units) for net in NETS]

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a misspelt option of a training": (
        lambda: ns.TrainConfig(epoch=3),
        r"option of TrainConfig must be one of .*, got 'epoch'\. Did you mean 'epochs'\?",
    ),
    "a misspelt option of a predictor": (
        lambda: ns.predictors.GNN(hiden=3),
        r"option of GNN must be one of .*, got 'hiden'\. Did you mean 'hidden'\?",
    ),
    "a family that is none": (
        lambda: ns.Space("rnn"),
        r"family must be one of .*, got 'rnn'\. Did you mean 'rnn_relu' or 'rnn_tanh'\?",
    ),
    "a number where a name belongs": (
        lambda: ns.load_benchmark(3),
        r"name must be a name, a folder or an address, got 3\.",
    ),
    "a number where a path belongs": (
        lambda: ns.load_structures(3),
        r"path must be the path of a file, got 3\.",
    ),
    "a text where a graph belongs": (
        lambda: ns.Structure.from_networkx("x"),
        r"graph must be a graph of networkx, got 'x'\.",
    ),
    "letters in a matrix": (
        lambda: ns.Structure.from_adjacency([["a", "b"], ["c", "d"]]),
        r"matrix must hold numbers or booleans, got 'a'\.",
    ),
    "a number where a task belongs": (
        lambda: ns.build_module(NETS[0], 3),
        r"task must be a Task or the name of one, got 3\.",
    ),
    "a module where a structure belongs": (
        lambda: ns.build_module(torch.nn.Linear(2, 2), "iris"),
        r"structures\[0\] must be a Structure, got .*Linear.*",
    ),
    "a single structure": (
        lambda: ns.predictors.Mean().fit(NETS, SIZES).predict(NETS[0]),
        r"structures must be a list of Structures, got .* Wrap a single one in a list: \[structure\]\.",
    ),
    "too few labels": (
        lambda: ns.evaluate("mean", (NETS, SIZES[:2])),
        r"y must hold 4 numbers, one a structure, got \[2\]\.",
    ),
    "more folds than structures": (
        lambda: ns.evaluate("mean", (NETS, SIZES), folds=9),
        r"folds must be at most the 4 distinct structures, got 9\.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_one_sentence_that_names_field_rule_and_value(case: str) -> None:
    call, sentence = REFUSED[case]
    with pytest.raises(NnstructError, match=f"^{sentence}$"):
        call()


def test_a_graph_network_on_a_gpu_that_is_not_there_says_what_is() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(
        NnstructError, match=r"^device must be 'cpu' or 'auto' on this machine, got 'cuda'\. "
    ):
        ns.predictors.GNN(device="cuda").fit(NETS, SIZES)


def test_a_build_into_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.touch()
    with pytest.raises(NnstructError, match=r"^out must be a folder, or not be there yet, got '.*taken'\.$"):
        ns.build("iris", NETS[:1], seeds=1, out=file)


def test_a_module_is_built_for_the_name_of_a_task() -> None:
    named = ns.build_module(NETS[0], "iris", seed=1)
    given = ns.build_module(NETS[0], ns.load_task("iris"), seed=1)
    assert all(map(torch.equal, named.parameters(), given.parameters()))


def test_help_shows_the_options_of_a_predictor() -> None:
    for kind in (ns.predictors.RandomForest, ns.predictors.GNN, ns.predictors.Mean):
        shown = inspect.signature(kind)
        assert list(shown.parameters) == [name for name in inspect.signature(kind.__init__).parameters][1:]
    assert inspect.signature(ns.predictors.RandomForest).parameters["n_estimators"].default == 200
