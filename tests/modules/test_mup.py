"""The maximal update parametrization: factors by hand, and what they do to a single step."""

import numpy as np
import pytest
import torch

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module, initial_parameters
from nnstruct.modules.build import learning_rates
from nnstruct.modules.rates import parameter_rates
from nnstruct.population import train
from nnstruct.population.optimisers import Updates
from nnstruct.population.reference import Training
from nnstruct.tasks import Task, load_task

RNG = np.random.default_rng(0)
VECTORS = Task.from_arrays("vectors", RNG.normal(size=(60, 6)), [0, 1, 2] * 20)
STRINGS = Task.from_sequences("toy", ["ab", "ba", "bb", "aabb", "bbab"] * 4, [0, 1, 0, 1, 1] * 4)
IMAGES = Task.from_arrays("images", RNG.normal(size=(60, 2, 8, 8)), [0, 1, 2] * 20)
# Two units of the first layer, one of the second, which sees both; the last sees the second alone.
GRAPH = [[0, 1, 2], [2, 2, 3]]
CELLS = Structure(
    GRAPH, 4, family="cnn", attributes={"channels": [4, 8, 6, 10], "join": ["concat"] * 3 + ["sum"]}
)


def mup(optimizer: str, **options) -> TrainConfig:
    return TrainConfig(parametrization="mup", base_width=2, optimizer=optimizer, **options)


def test_rates_of_a_perceptron_by_hand():
    structure = Structure(GRAPH, 4)
    adam, sgd = (parameter_rates(structure, VECTORS, mup(name)) for name in ("adam", "sgd"))
    assert adam["weight"].ravel().tolist() == [1, 1, 2]  # fan in 2, 2, 1
    # Layers of 2, 1 and 1 units: the rate of a layer's width over that of its fan in.
    assert sgd["weight"].ravel().tolist() == [0.5, 0.5, 1]
    assert (adam["input_weight"] == 1).all()
    assert (sgd["input_weight"] == 1).all()  # two input units in a layer
    assert sgd["bias"].ravel().tolist() == [1, 1, 0.5, 0.5]
    for rates in (adam, sgd):
        assert (rates["readout_weight"] == 2).all()  # one unit is read out
        assert (rates["readout_bias"] == 1).all()


def test_rates_of_cells_by_hand():
    adam, sgd = (parameter_rates(CELLS, IMAGES, mup(name)) for name in ("adamw", "sgd"))
    assert np.allclose(adam["weight"][:, 0], [2 / 12, 2 / 12, 2 / 6])
    assert np.allclose(adam["unit_weight"], 2 / 10)
    assert np.allclose(adam["readout_weight"], 2 / 10)
    assert np.allclose(sgd["norm_scale"][:, 0], [12 / 2, 12 / 2, 6 / 2, 10 / 2])
    assert np.allclose(sgd["input_weight.1" if "input_weight.1" in sgd else "input_weight"], 12 / 2)


@pytest.mark.parametrize(("structure", "task"), [(Structure(GRAPH, 4), VECTORS), (CELLS, IMAGES)])
def test_the_readout_and_what_leads_to_narrower_layers_start_smaller(structure, task):
    standard, scaled = (
        initial_parameters(structure, task, config, 0) for config in (TrainConfig(), mup("adam"))
    )
    width = standard["readout_weight"].shape[1]
    narrowing = np.sqrt(0.5)  # from the first layer to the second, which is half as wide
    factors = {"readout_weight": np.sqrt(2 / width), "weight": np.array([[narrowing], [narrowing], [1.0]])}
    for name, value in standard.items():
        np.testing.assert_allclose(scaled[name], factors.get(name, 1.0) * value, rtol=1e-6)


def of_widths(structure: Structure, task: Task, **options):
    config = TrainConfig(base_width=4, optimizer="sgd", **options)
    return initial_parameters(structure, task, config, 0), parameter_rates(structure, task, config)


def test_the_other_parametrizations_by_their_exponents():
    narrow, wide = (Structure.from_layers([width, width]) for width in (4, 16))
    for name, hidden, vector, spread in (("ntk", 0.25, 1.0, 1.0), ("integrable", 1.0, 4.0, 0.5)):
        values, rates = of_widths(wide, VECTORS, parametrization=name)
        plain, _ = of_widths(wide, VECTORS)
        assert (rates["weight"] == hidden).all()
        assert (rates["bias"] == vector).all()
        assert (rates["input_weight"] == vector).all()
        assert (rates["readout_weight"] == 0.25).all()
        np.testing.assert_allclose(values["weight"], spread * plain["weight"], rtol=1e-6)
        gain = 1.0 if name == "ntk" else 0.5
        np.testing.assert_allclose(values["readout_weight"], gain * plain["readout_weight"], rtol=1e-6)
        at_base, same = of_widths(narrow, VECTORS, parametrization=name), of_widths(narrow, VECTORS)
        assert all((at_base[0][n] == same[0][n]).all() and (at_base[1][n] == 1).all() for n in same[0])
        with pytest.raises(InvalidInputError, match=f"config.optimizer must be 'sgd' for the .* '{name}'"):
            build_module(wide, VECTORS, TrainConfig(parametrization=name))


@pytest.mark.parametrize("family", ["rnn_tanh", "gru", "lstm"])
def test_rates_of_recurrent_units_by_hand(family):
    structure = Structure.from_layers([4, 2], family=family)
    adam, sgd = (parameter_rates(structure, STRINGS, mup(name)) for name in ("adam", "sgd"))
    target = structure.edge_index[1]
    fan_in = np.where(target < 4, 4, 4 + 2)  # recurrent edges of the layer, and those from the layer before
    width = np.where(target < 4, 4, 2)
    assert np.allclose(adam["weight"], (2 / fan_in)[:, None])
    assert np.allclose(sgd["weight"], (width / fan_in)[:, None])
    assert (adam["input_weight"] == 1).all()
    assert (sgd["input_weight"] == 2).all()
    assert (sgd["readout_weight"] == 1).all()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_rate_times_decay_is_the_same_for_all_weights(optimizer):
    module = torch.nn.Linear(2, 2, bias=False)
    torch.nn.init.constant_(module.weight, 3.0)
    rates = [torch.tensor([[0.5, 2.0], [1.0, 0.0]])]
    config = TrainConfig(optimizer=optimizer, weight_decay=0.1, learning_rate=0.01, clip_norm=1e9)
    updates = Updates(module, config, steps=1, rates=rates)
    module.weight.grad = torch.zeros(2, 2)
    updates.step()
    moved = 3.0 - module.weight.detach()
    if optimizer == "sgd":  # Nesterov's first step is 1.9 times the gradient
        torch.testing.assert_close(moved, 0.01 * 0.1 * 3.0 * 1.9 * torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    else:  # the decay is a part of what Adam normalises
        torch.testing.assert_close(moved, 0.01 * rates[0])


def test_the_first_step_of_adam_moves_each_weight_by_its_rate():
    config = mup("adam", learning_rate=0.01, batch_size=1000, clip_norm=1e9)
    training = Training(CELLS, IMAGES, config, seed=0)
    before = training.module.parameters_by_name()
    list(training.epoch(0))
    after, rates = training.module.parameters_by_name(), parameter_rates(CELLS, IMAGES, config)
    layout = training.module.layout
    moved = np.abs(after["weight"] - before["weight"]) / 0.01
    expected = np.broadcast_to(rates["weight"], moved.shape)[layout.weight_mask]
    # A first step of Adam is the rate itself, but for gradients as small as its epsilon.
    assert (moved[layout.weight_mask] <= expected * 1.01).all()
    assert np.median(moved[layout.weight_mask] / expected) == pytest.approx(1.0, abs=0.01)
    assert (moved[~layout.weight_mask] == 0).all()


def test_rates_stand_in_the_order_of_the_parameters_and_are_none_by_default():
    module = build_module(CELLS, IMAGES)
    rates = learning_rates(module, IMAGES, mup("adam"))
    assert [rate.shape for rate in rates] == [parameter.shape for parameter in module.parameters()]
    assert learning_rates(build_module(CELLS, IMAGES), IMAGES, TrainConfig()) is None
    # Where a mask is, there is no rate.
    channels = Structure([[0, 1], [2, 3]], 4, family="cnn")
    rates = learning_rates(build_module(channels, IMAGES), IMAGES, mup("adam"))
    masked = [
        rate for rate in rates if torch.is_tensor(rate) and rate.shape == (2, 2, 3, 3) and (rate == 0).any()
    ]
    assert len(masked) == 1
    assert (masked[0] == 0).sum() == 18


@pytest.mark.study
def test_the_best_learning_rate_stays_put_with_mup_and_moves_without():
    digits = load_task("digits")
    best = {}
    for parametrization in ("standard", "mup"):
        for width in (32, 256):
            losses = []
            for power in range(-9, -2):
                config = TrainConfig(
                    epochs=2, batch_size=64, learning_rate=2.0**power, parametrization=parametrization
                )
                records = train([Structure.from_layers([width, width])], digits, seeds=2, config=config)
                losses.append(np.mean([record.train_loss[-1] for record in records]))
            best[parametrization, width] = int(np.argmin(losses)) - 9
    assert best["mup", 256] == best["mup", 32] == best["standard", 32]
    assert best["standard", 256] <= best["standard", 32] - 2
