"""Values of units move as far in wide networks as in narrow ones, with mu-P and not without."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
import torch

from nnstruct import Structure, TrainConfig, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module
from nnstruct.probes import coordinate_check, coordinate_slopes, plot_coordinates
from nnstruct.probes.subject import subject_of
from nnstruct.tasks import Task

DIGITS = load_task("digits")
IMAGES = Task.from_splits(
    "digit-images",
    *(
        (part.inputs[:256].reshape(-1, 8, 8), part.targets[:256])
        for part in (DIGITS.train, DIGITS.val, DIGITS.test)
    ),
)


def perceptrons(*widths: int) -> dict[int, Structure]:
    return {width: Structure.from_layers([width, width]) for width in widths}


def cells(*widths: int) -> dict[int, Structure]:
    chain = [[0, 1], [1, 2]]
    return {
        width: Structure(chain, 3, family="cnn", attributes={"channels": [width] * 3, "stage": [0, 1, 1]})
        for width in widths
    }


def config(parametrization: str, optimizer: str, base_width: int) -> TrainConfig:
    rate = 0.01 if optimizer == "adam" else 0.1
    return TrainConfig(
        parametrization=parametrization,
        optimizer=optimizer,
        learning_rate=rate,
        base_width=base_width,
        batch_size=64,
        clip_norm=1e9,
        normalization="none",
    )


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(
    ("structures", "task"), [(perceptrons(32, 64, 128, 256), DIGITS), (cells(16, 48, 144), IMAGES)]
)
def test_coordinates_stay_with_mup_and_grow_without(structures, task, optimizer):
    slopes = {}
    for parametrization in ("standard", "mup"):
        chosen = config(parametrization, optimizer, min(structures))
        table = coordinate_check(structures, task, chosen, steps=4, seeds=3)
        slopes[parametrization] = coordinate_slopes(table)
    assert slopes["mup"].abs().max() < 0.25
    assert slopes["standard"].max() > 0.3
    assert slopes["standard"].iloc[-1] > slopes["mup"].iloc[-1] + 0.3  # of the scores


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("grows", [0, 1, 2])
def test_coordinates_stay_where_one_layer_alone_grows(grows, optimizer):
    def widths(width):
        sizes = [32, 32, 32]
        sizes[grows] = width
        return Structure.from_layers(sizes)

    structures = {width: widths(width) for width in (32, 128, 512)}
    chosen = config("mup", optimizer, 16).model_copy(
        update={"learning_rate": 0.005 if optimizer == "adam" else 0.05}
    )
    slopes = coordinate_slopes(coordinate_check(structures, DIGITS, chosen, steps=3, seeds=2))
    assert slopes.abs().max() < 0.33


def test_coordinates_of_recurrent_units_grow_less_with_mup():
    # What is left of the growth is that of narrow networks, from 16 units on.
    task = load_task("reber")
    structures = {w: Structure.from_layers([w, w], family="rnn_tanh") for w in (16, 64)}
    slopes = {}
    for name in ("standard", "mup"):
        options = {"normalization": "default", "learning_rate": 0.001}
        chosen = config(name, "adam", 16).model_copy(update=options)
        slopes[name] = coordinate_slopes(coordinate_check(structures, task, chosen, steps=3, seeds=4))
    assert slopes["standard"].min() > 0.8
    assert slopes["mup"].abs().max() < 0.5


def test_tangent_features_stay_and_maximal_ones_move():
    structures = perceptrons(32, 128)
    slopes = {}
    for name in ("mup", "ntk"):
        table = coordinate_check(structures, DIGITS, config(name, "sgd", 32), steps=4, seeds=2)
        slopes[name] = coordinate_slopes(table)
    assert slopes["ntk"].iloc[0] < slopes["mup"].iloc[0] - 0.3
    assert slopes["ntk"].iloc[1] < -0.2


def test_changes_by_hand():
    chosen = config("mup", "adam", 8)
    table = coordinate_check(perceptrons(8, 16), DIGITS, chosen, steps=2, seeds=[5], samples=7)
    assert table[["width", "seed", "step", "layer"]].drop_duplicates().shape == (12, 4)
    row = table[(table["width"] == 8) & (table["step"] == 1) & (table["layer"] == 2)]
    from nnstruct.population.reference import Training

    training = Training(perceptrons(8)[8], DIGITS, chosen, seed=5)
    inputs = torch.from_numpy(DIGITS.train.inputs[:7])
    with torch.no_grad():
        before = training.module(inputs)
    next(training.epoch(0))
    with torch.no_grad():
        after = training.module(inputs)
    assert row["change"].item() == pytest.approx(float((after - before).abs().mean()), rel=1e-4)


def test_steps_may_take_several_epochs_and_slopes_are_exponents():
    table = coordinate_check(cells(2, 4), IMAGES, TrainConfig(epochs=1, batch_size=128), steps=5, seeds=1)
    assert table["step"].max() == 5
    table["change"] = table["width"].astype(float) ** 0.75
    np.testing.assert_allclose(coordinate_slopes(table), 0.75)
    ax = plot_coordinates(table)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["layer 0", "layer 1", "layer 2", "scores"]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InvalidInputError, match=r"structures must hold two widths or more, got \[8\]"):
        coordinate_check(perceptrons(8), DIGITS)
    uneven = {8: Structure.from_layers([8]), 16: Structure.from_layers([16, 16])}
    with pytest.raises(InvalidInputError, match="structures must have the same number of layers"):
        coordinate_check(uneven, DIGITS, steps=1, seeds=1)


def test_layers_of_a_perceptron_are_those_of_its_structure():
    structure = Structure([[0, 1, 0, 2], [1, 2, 3, 3]], 4)
    subject = subject_of(build_module(structure, DIGITS), DIGITS)
    x, lengths = subject.encode(DIGITS.val)
    with torch.no_grad():
        states = subject.states(x, lengths)
        assert [state.shape[1] for state in states] == [1, 1, 1, 1, 10]
        assert torch.equal(states[-1], subject.scores(x, lengths))
