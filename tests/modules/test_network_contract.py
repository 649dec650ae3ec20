"""What modules of every family that can be trained promise; a new family is covered by being registered."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct import Structure, TrainConfig
from nnstruct.extract import extract
from nnstruct.modules import build_module, initial_parameters, module_from_network, parameter_shapes
from nnstruct.modules.parameters import check_trainable, count_parameters
from nnstruct.population import train_network
from nnstruct.structure.families import DIRECTED_FAMILIES, FAMILIES
from nnstruct.structure.units import ATTRIBUTES_OF, JOINS, UNIT_ACTIVATIONS, UNIT_OPERATORS
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
STRINGS = Task.from_sequences(
    "strings", ["ab", "ba", "bb", "aabb", "bbab", "abba"] * 4, [0, 1, 0, 1, 1, 0] * 4
)
IMAGES = Task.from_arrays("images", RNG.normal(size=(40, 2, 6, 6)), [0, 1] * 20)


def fits(structure: Structure, task: Task) -> bool:
    try:
        check_trainable(structure, task)
    except ValueError:
        return False
    return True


TASKS = {
    family: task
    for family in DIRECTED_FAMILIES
    for task in (STRINGS, IMAGES)
    if fits(Structure.from_layers([2, 2], family=family), task)
}


def attributes_of(family: str, units: int, rng: np.random.Generator) -> dict[str, list]:
    drawn = {
        "operator": rng.choice(UNIT_OPERATORS, units).tolist(),
        "activation": rng.choice(UNIT_ACTIVATIONS, units).tolist(),
        "join": rng.choice(JOINS, units).tolist(),
        "stage": np.sort(rng.integers(0, 2, units)).tolist(),
        "channels": (2 * rng.integers(1, 3, units)).tolist(),
    }
    names = [name for name in ATTRIBUTES_OF.get(family, ()) if rng.random() < 0.7]
    if "channels" not in names:
        drawn["operator"] = [name.replace("hamiltonian", "conv") for name in drawn["operator"]]
    return {name: drawn[name] for name in names}


def structure_of(family: str, seed: int, units: int = 7) -> Structure:
    rng = np.random.default_rng(seed)
    edges = [(i, j) for i in range(units) for j in range(i + 1, units) if rng.random() < 0.4]
    edges += [(i - 1, i) for i in range(1, units) if not any(i in edge for edge in edges)]
    structure = Structure(
        np.array(edges).T, units, family=family, attributes=attributes_of(family, units, rng)
    ).relabel(rng.permutation(units))
    if FAMILIES[family].recurrent:
        return structure.with_recurrence(["layer", "self", "reverse"][seed % 3])
    return structure


def inputs_of(task: Task, count: int = 4) -> list[torch.Tensor]:
    split = task.train
    arrays = (split.inputs,) if split.lengths is None else (split.inputs, split.lengths)
    return [torch.from_numpy(array[:count]) for array in arrays]


families = pytest.mark.parametrize("family", sorted(TASKS))
few = settings(max_examples=8)


@families
@few
@given(seed=st.integers(0, 10_000))
def test_extract_undoes_build(family, seed):
    structure, task = structure_of(family, seed), TASKS[family]
    module = build_module(structure, task, seed=seed).eval()
    network = extract(module)
    assert network.structure == structure
    for name, value in initial_parameters(structure, task, TrainConfig(), seed).items():
        found = getattr(network, name) if name in ("weight", "bias") else network.tensors[name]
        np.testing.assert_array_equal(found, value)
    inputs = inputs_of(task)
    assert torch.equal(module_from_network(network).eval()(*inputs), module(*inputs))


@families
def test_a_trained_module_is_all_in_its_named_arrays(family):
    """So no weight has grown where no edge is."""
    structure, task = structure_of(family, 3), TASKS[family]
    module = build_module(structure, task, seed=0).train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.02, weight_decay=0.1)
    targets = torch.from_numpy(task.train.targets)
    for _ in range(4):
        optimiser.zero_grad()
        scores = module(*inputs_of(task, len(targets)))
        torch.nn.functional.cross_entropy(scores, targets).backward()
        optimiser.step()
    again = module_from_network(module.to_network())
    for name, value in module.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


@families
@few
@given(seed=st.integers(0, 10_000))
def test_relabelling_the_units_changes_no_score(family, seed):
    structure, task = structure_of(family, seed), TASKS[family]
    other = structure.relabel(np.random.default_rng(seed).permutation(structure.num_units))
    scores = []
    for each in (structure, other):
        module = build_module(each, task).eval()
        constants = {name: np.full_like(v, 0.1) for name, v in module.parameters_by_name().items()}
        with torch.no_grad():
            scores.append(type(module)(each, constants).double().eval()(*double(inputs_of(task))))
    torch.testing.assert_close(scores[0], scores[1])


def double(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    return [value.double() if value.is_floating_point() else value for value in inputs]


@families
@few
@given(seed=st.integers(0, 10_000))
def test_seeds_decide_the_values_and_shapes_are_kept(family, seed):
    structure, task, config = structure_of(family, seed), TASKS[family], TrainConfig()
    first, again, other = (initial_parameters(structure, task, config, s) for s in (seed, seed, seed + 1))
    shapes = parameter_shapes(structure, task, config)
    assert {name: value.shape for name, value in first.items()} == shapes
    assert list(first) == list(shapes)
    assert all(value.dtype == np.float32 for value in first.values())
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["readout_weight"], other["readout_weight"])
    # Values that are drawn are not zero, and masked ones are.
    zeros = sum(
        int((v == 0).sum()) for name, v in first.items() if "bias" not in name and "shift" not in name
    )
    held = count_parameters(structure, task, config)
    biases = sum(v.size for name, v in first.items() if "bias" in name or "shift" in name)
    total = sum(v.size for v in first.values())
    assert total - zeros - biases <= held <= total


@families
def test_training_gives_a_network_and_a_record(family):
    structure, task = structure_of(family, 5), TASKS[family]
    network, record = train_network(structure, task, config=TrainConfig(epochs=2, batch_size=16))
    assert network.structure == structure
    assert record.status == "ok"
    assert record.parameters == count_parameters(structure, task, TrainConfig())
    module, split = module_from_network(network).eval(), task.test
    arrays = (split.inputs,) if split.lengths is None else (split.inputs, split.lengths)
    with torch.no_grad():
        chosen = module(*(torch.from_numpy(array) for array in arrays)).argmax(1).numpy()
    assert (chosen == split.targets).mean() == pytest.approx(record.test)
