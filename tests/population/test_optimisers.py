"""Optimisers, schedules, decay and smoothing against their formulas; what the reference engine honours."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module, module_from_network
from nnstruct.population import stream, train, train_network
from nnstruct.population.job import Job
from nnstruct.population.optimisers import Updates, make_optimizer, rate_at
from nnstruct.population.reference import Training, train_one
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
PATTERNS = RNG.normal(size=(3, 1, 8, 8))
LABELS = RNG.integers(0, 3, 240)
IMAGES = Task.from_arrays("images", PATTERNS[LABELS] + 0.7 * RNG.normal(size=(240, 1, 8, 8)), LABELS)
STRINGS = Task.from_sequences(
    "toy", ["ab", "ba", "bb", "aabb", "bbab", "abba", "aaab"], [0, 1, 0, 1, 1, 0, 1]
)
CELLS = Structure(
    [[0, 0, 1], [1, 2, 2]],
    3,
    family="cnn",
    attributes={"channels": [6, 4, 8], "stage": [0, 0, 1], "join": ["concat", "concat", "sum"]},
)


class Three(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((2, 2), 2.0))
        self.norm_scale = nn.Parameter(torch.full((2,), 2.0))
        self.gate_bias = nn.Parameter(torch.full((2, 2), 2.0))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_decay_is_for_weights_alone(optimizer):
    module = Three()
    updates = Updates(module, TrainConfig(optimizer=optimizer, weight_decay=0.5, learning_rate=0.1), steps=1)
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    updates.step()
    assert (module.norm_scale == 2).all()
    assert (module.gate_bias == 2).all()
    expected = {"adam": 2 - 0.1, "adamw": 2 * (1 - 0.1 * 0.5), "sgd": 2 - 0.1 * 0.5 * 2 * 1.9}[optimizer]
    torch.testing.assert_close(module.weight.detach(), torch.full((2, 2), expected))


def test_sgd_has_nesterov_momentum():
    optimizer = make_optimizer(Three(), TrainConfig(optimizer="sgd"))
    (group,) = optimizer.param_groups
    assert (group["momentum"], group["nesterov"], len(group["params"])) == (0.9, True, 3)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_rates_scale_the_update_of_each_value(optimizer):
    config = TrainConfig(optimizer=optimizer, learning_rate=0.01)
    moved = {}
    for name, rates in (("all", None), ("some", [torch.tensor([[1.0, 0.5], [0.0, 2.0]])] * 3)):
        module = Three()
        module.norm_scale = None
        updates = Updates(module, config, steps=3, rates=None if rates is None else rates[:2])
        for _ in range(3):
            for parameter in module.parameters():
                parameter.grad = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
            updates.step()
        moved[name] = module.weight.detach() - 2
    torch.testing.assert_close(moved["some"], moved["all"] * torch.tensor([[1.0, 0.5], [0.0, 2.0]]))


def test_decay_of_adamw_does_not_fade_with_the_rate():
    config = TrainConfig(optimizer="adamw", weight_decay=0.5, learning_rate=0.1)
    module = Three()
    updates = Updates(module, config, steps=2, rates=[torch.zeros(2, 2), torch.zeros(2), torch.zeros(2, 2)])
    for _ in range(2):
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
        updates.step()
    torch.testing.assert_close(module.weight.detach(), torch.full((2, 2), 2 * 0.95**2))
    assert (module.norm_scale == 2).all()


def test_the_cosine_falls_by_its_formula():
    config = TrainConfig(learning_rate=0.2, schedule="cosine")
    for step in range(10):
        assert rate_at(config, step, 10) == pytest.approx(0.1 * (1 + math.cos(math.pi * step / 10)))
    assert rate_at(TrainConfig(learning_rate=0.2), 9, 10) == 0.2


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_a_warm_up_rises_in_a_straight_line_before_the_schedule(schedule):
    config = TrainConfig(learning_rate=0.4, schedule=schedule, warmup=0.2)
    rates = np.array([rate_at(config, step, 50) for step in range(50)])
    done = np.arange(40) / 40
    falling = {"constant": np.ones(40), "cosine": (1 + np.cos(np.pi * done)) / 2, "linear": 1 - done}[
        schedule
    ]
    np.testing.assert_allclose(rates[:10], 0.4 * np.arange(1, 11) / 10)
    np.testing.assert_allclose(rates[10:], 0.4 * falling)


def test_momentum_is_nesterovs():
    """The formulas of torch.optim.SGD's documentation, by hand."""
    config = TrainConfig(optimizer="sgd", momentum=0.6, learning_rate=0.1, clip_norm=1e9)
    module = nn.Linear(2, 1, bias=False)
    value, velocity = module.weight.detach().clone(), torch.zeros(1, 2)
    updates = Updates(module, config, steps=3)
    for gradient in torch.tensor([[[1.0, -2.0]], [[0.5, 3.0]], [[0.1, 0.2]]]):
        module.weight.grad = gradient.clone()
        updates.step()
        velocity = 0.6 * velocity + gradient
        value = value - 0.1 * (gradient + 0.6 * velocity)
    torch.testing.assert_close(module.weight.detach(), value)


def test_an_output_scale_is_a_factor_on_the_scores():
    """With sgd a training goes as one whose scores are multiplied, decay included."""
    config = TrainConfig(
        epochs=2, batch_size=48, optimizer="sgd", learning_rate=0.05, weight_decay=0.01, clip_norm=1e9
    )
    scaled = Training(CELLS, IMAGES, config.model_copy(update={"output_scale": 0.25}), seed=0)
    plain = Training(CELLS, IMAGES, config, seed=0)
    module = plain.module
    plain.module = lambda images: 0.25 * module(images)  # type: ignore[assignment]
    plain.module.train = module.train
    for epoch in range(2):
        losses = [[loss for _, loss in training.epoch(epoch)] for training in (scaled, plain)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    torch.testing.assert_close(scaled.module.readout.weight, 0.25 * module.readout.weight)
    torch.testing.assert_close(scaled.module.readout.bias, 0.25 * module.readout.bias)
    assert abs(losses[0][-1] - losses[0][0]) > 1e-3


def test_a_training_runs_through_the_whole_schedule():
    config = TrainConfig(epochs=3, batch_size=64, schedule="cosine", optimizer="sgd", learning_rate=0.05)
    training = Training(CELLS, IMAGES, config, seed=0)
    seen = []
    for epoch in range(3):
        for _ in training.epoch(epoch):
            seen.append(training.updates.optimizer.param_groups[0]["lr"])
    assert len(seen) == training.updates.steps == 9
    assert seen == [rate_at(config, step, 9) for step in range(9)]


def test_labels_are_smoothed_in_training_only():
    module_losses = {}
    for smoothing in (0.0, 0.4):
        config = TrainConfig(label_smoothing=smoothing, batch_size=1000, learning_rate=1e-9)
        training = Training(CELLS, IMAGES, config, seed=0)
        evaluated = training.evaluate("train")[0]
        (_, loss) = next(training.epoch(0))
        module_losses[smoothing] = (loss, evaluated)
        training.module.train()
        with torch.no_grad():
            scores = training.module(torch.from_numpy(IMAGES.train.inputs)).log_softmax(1).double()
        targets = torch.from_numpy(IMAGES.train.targets)
        by_hand = -(1 - smoothing) * scores[range(len(targets)), targets].mean() - smoothing * scores.mean()
        assert loss == pytest.approx(float(by_hand), rel=1e-4)
    assert module_losses[0.0][1] == module_losses[0.4][1]


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine"},
        {"augmentation": "crop-flip", "label_smoothing": 0.1},
        {"precision": "bfloat16"},
        {"schedule": "linear", "warmup": 0.3, "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.5},
        {"augmentation": "reflect-crop-flip", "resolutions": (0.75, 1.0), "test_flip": True},
        {"output_scale": 0.25, "readout": "max", "downsampling": "max-pool"},
        {"parametrization": "mup", "base_width": 4, "optimizer": "sgd", "learning_rate": 0.1},
        {"normalization": "none"},
    ],
)
def test_every_option_learns_repeats_itself_and_changes_the_run(options):
    base = {"epochs": 6, "batch_size": 32, "learning_rate": 0.01}
    config = TrainConfig(**(base | options))
    first, again, plain = (
        train([CELLS], IMAGES, seeds=[3], config=c)[0] for c in (config, config, TrainConfig(**base))
    )
    assert first.status == "ok"
    assert first.engine == "reference"
    np.testing.assert_array_equal(first.train_loss, again.train_loss)
    assert first.test == again.test > 0.6
    assert not np.array_equal(first.train_loss, plain.train_loss)


@pytest.mark.parametrize(
    "options",
    [{"optimizer": "sgd", "learning_rate": 0.1}, {"schedule": "cosine"}, {"precision": "bfloat16"}],
)
def test_recurrent_networks_take_the_options_that_suit_them(options):
    structure = Structure.from_layers([4, 3], family="gru")
    config = TrainConfig(**({"epochs": 3} | options))
    (record,) = train([structure], STRINGS, config=config, engine="reference")
    assert record.status == "ok"
    plain = train([structure], STRINGS, config=TrainConfig(epochs=3), engine="reference")[0]
    assert not np.array_equal(record.train_loss, plain.train_loss)


def test_a_trained_network_evaluates_as_its_record_says():
    network, record = train_network(CELLS, IMAGES, config=TrainConfig(epochs=2, batch_size=32))
    module = module_from_network(network).eval()
    with torch.no_grad():
        scores = module(torch.from_numpy(IMAGES.test.inputs))
    targets = torch.from_numpy(IMAGES.test.targets)
    assert float((scores.argmax(1) == targets).float().mean()) == pytest.approx(record.test)
    assert float(nn.functional.cross_entropy(scores, targets)) == pytest.approx(record.test_loss, rel=1e-5)
    assert {"norm_mean", "norm_var", "norm_scale"} <= set(network.tensors)


def test_a_masked_weight_is_exactly_zero_after_training():
    structure = Structure.from_layers([5, 4, 3], family="cnn")
    fewer = Structure(structure.edge_index[:, ::2], 12, family="cnn")
    config = TrainConfig(epochs=2, optimizer="adamw", weight_decay=0.1, learning_rate=0.05)
    training = Training(fewer, IMAGES, config, seed=0)
    for epoch in range(2):
        list(training.epoch(epoch))
    masks = 0
    for block in training.module.blocks:
        for name, mask in block.named_buffers():
            if name.endswith("_mask"):
                assert (getattr(block, name.removesuffix("_mask"))[mask == 0] == 0).all()
                masks += int((mask == 0).sum())
    assert masks > 0


def test_what_an_option_cannot_do_is_said_before_training():
    recurrent = Structure.from_layers([3], family="gru")
    with pytest.raises(InvalidInputError, match=r"config.augmentation must be 'none' for recurrent"):
        stream([Job(recurrent, 0)], STRINGS, TrainConfig(augmentation="crop"))
    with pytest.raises(InvalidInputError, match=r"config.optimizer must be 'sgd' for the parametrization"):
        build_module(recurrent, STRINGS, TrainConfig(parametrization="ntk"))


def test_the_device_is_one_that_torch_knows():
    config = TrainConfig(epochs=1, batch_size=64)
    by_default = train_one(CELLS, IMAGES, config, 0)
    named = train_one(CELLS, IMAGES, config, 0, device="cpu:0")
    assert by_default.train_loss == named.train_loss
