"""Whatever trains a module keeps its configuration: each trainer against the Record, option by option."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module
from nnstruct.population import train
from nnstruct.probes import simplicity_over_training, surrogates_over_training
from nnstruct.pruning import evaluate, fit, prune
from nnstruct.record import CNN_OPTIONS, IMAGE_OPTIONS
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
PATTERNS = RNG.normal(size=(3, 1, 8, 8))
LABELS = RNG.integers(0, 3, 96)
IMAGES = Task.from_arrays("images", PATTERNS[LABELS] + 0.7 * RNG.normal(size=(96, 1, 8, 8)), LABELS)
VECTORS = Task.from_arrays("vectors", IMAGES.train.inputs[:, 0, 0], IMAGES.train.targets)
STRINGS = Task.from_sequences(
    "toy", ["ab", "ba", "bb", "aabb", "bbab", "abba", "aaab"] * 4, [0, 1, 0, 1, 1, 0, 1] * 4
)
CELLS = Structure(
    [[0, 0, 1], [1, 2, 2]],
    3,
    family="cnn",
    attributes={"channels": [6, 4, 8], "stage": [0, 0, 1], "join": ["concat", "concat", "sum"]},
)
CASES = {
    "mlp": (Structure.from_layers([12, 6]), VECTORS),
    "cnn": (CELLS, IMAGES),
    "rnn_tanh": (Structure.from_layers([6, 4], family="rnn_tanh"), STRINGS),
}
OPTIONS = [
    {},
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.01},
    {"weight_decay": 0.1},
    {"schedule": "cosine"},
    {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "cosine"},
    {"label_smoothing": 0.4},
    {"clip_norm": 0.01, "optimizer": "sgd"},
    {"parametrization": "mup", "base_width": 2},
    {"parametrization": "mup", "base_width": 2, "optimizer": "sgd", "learning_rate": 0.03},
    {"parametrization": "mup", "base_width": 2, "optimizer": "adamw", "weight_decay": 0.1},
    {"parametrization": "mup", "base_width": 2, "schedule": "cosine", "label_smoothing": 0.2},
    {"parametrization": "ntk", "base_width": 2, "optimizer": "sgd", "learning_rate": 0.1},
    {"augmentation": "crop-flip"},
    {"augmentation": "reflect-crop", "resolutions": (0.5, 1.0)},
    {"test_flip": True},
    {"readout": "max", "downsampling": "max-pool"},
    {"schedule": "linear", "warmup": 0.4, "optimizer": "sgd", "momentum": 0.5},
    {"output_scale": 0.3},
    {"output_scale": 0.3, "optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.01},
    {"precision": "bfloat16"},
]


def by_fit(module, task, config):
    trained, _ = fit(module, task, config, seed=3)
    return evaluate(trained, task, config=config)["loss"]


def by_fit_under_masks(module, task, config):
    """Masks that prune nothing, which put every tensor elsewhere."""
    return by_fit(prune(module, 1.0, method="magnitude-class-blind"), task, config)


def by_simplicity(module, task, config):
    return simplicity_over_training(module, task, config, seed=3)["loss"].iloc[-1]


def by_surrogates(module, task, config):
    return surrogates_over_training(module, task, config, seed=3)["loss"].iloc[-1]


TRAINERS = [by_surrogates, by_fit, by_fit_under_masks, by_simplicity]


def config_of(family: str, options: dict) -> TrainConfig | None:
    for_families = dict.fromkeys((*IMAGE_OPTIONS, *CNN_OPTIONS), "cnn")
    if any(for_families.get(name, family) != family for name in options):
        return None
    return TrainConfig(epochs=2, batch_size=16, **{"learning_rate": 0.01, **options})


@pytest.fixture(scope="module")
def records():
    found = {}
    for family, (structure, task) in CASES.items():
        for place, options in enumerate(OPTIONS):
            if config := config_of(family, options):
                (record,) = train([structure], task, seeds=[3], config=config, engine="reference")
                found[family, place] = record.test_loss
    return found


@pytest.mark.parametrize("place", range(len(OPTIONS)), ids=[str(options) for options in OPTIONS])
@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_trainer_goes_the_way_of_the_record(trainer, place, records):
    for family, (structure, task) in CASES.items():
        config = config_of(family, OPTIONS[place])
        if config is None:
            continue
        if trainer is by_simplicity and task.is_sequence:
            continue  # there are no Gaussian clones of symbols
        if trainer is by_surrogates and config.test_flip:
            continue  # it measures the network itself, on one image at a time
        module = build_module(structure, task, config, seed=3)
        found, exact = trainer(module, task, config), OPTIONS[place].get("precision") is None
        assert found == pytest.approx(records[family, place], rel=1e-4 if exact else 0.05), family


def test_every_option_makes_a_difference(records):
    for (family, place), loss in records.items():
        if place and "precision" not in OPTIONS[place]:
            assert abs(loss / records[family, 0] - 1) > 1e-3, (family, OPTIONS[place])


def test_a_module_without_a_structure_has_no_rates_of_its_own():
    module = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))
    config = TrainConfig(parametrization="mup")
    for trainer in (fit, simplicity_over_training):
        with pytest.raises(
            InvalidInputError, match=r"config.parametrization must be 'standard' for a module"
        ):
            trainer(module, VECTORS, config)


def test_an_optimiser_of_ones_own_takes_no_rates():
    import torch

    module = build_module(*CASES["mlp"])
    with pytest.raises(InvalidInputError, match="optimizer must be left out"):
        fit(module, VECTORS, TrainConfig(parametrization="mup"), optimizer=torch.optim.SGD)
