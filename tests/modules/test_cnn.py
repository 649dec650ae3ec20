"""Convolutional networks against their definition, written out unit by unit and edge by edge."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError, StructureError
from nnstruct.extract import extract
from nnstruct.modules import build_module, initial_parameters, module_from_network, parameter_shapes
from nnstruct.modules.cnn.module import CNN
from nnstruct.modules.parameters import count_parameters
from nnstruct.structure.units import FLOWS, UNIT_OPERATORS, unit_values
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
GREY = Task.from_arrays("grey", RNG.normal(size=(40, 9, 7)), [0, 1, 2, 1] * 10)
COLOUR = Task.from_arrays("colour", RNG.normal(size=(40, 3, 8, 8)), [0, 1] * 20)
CONVOLUTIONS = ("conv3x3", "conv1x1", "sepconv3x3")
PLAIN = TrainConfig(normalization="none")
ACTIVATE = {"relu": torch.relu, "tanh": torch.tanh, "gelu": lambda x: functional.gelu(x, approximate="tanh")}


def random_edges(rng, units: int) -> np.ndarray:
    edges = [(i, j) for i in range(units) for j in range(i + 1, units) if rng.random() < 0.45]
    edges += [(i, i + 1) for i in range(units - 1) if not any(i in edge for edge in edges)]
    return np.array(edges).T


def channel_graph(seed: int, units: int = 7, operators=("conv3x3",)) -> Structure:
    """Units of one channel; mixed operators, activations and stages."""
    rng = np.random.default_rng(seed)
    return Structure(
        random_edges(rng, units),
        units,
        family="cnn",
        attributes={
            "operator": rng.choice(operators, units).tolist(),
            "activation": rng.choice(list(ACTIVATE), units).tolist(),
            "stage": np.sort(rng.integers(0, 3, units)).tolist(),
        },
    ).relabel(rng.permutation(units))


def cell_graph(seed: int, units: int = 6) -> Structure:
    """Cells of every operator, join and width."""
    rng = np.random.default_rng(seed)
    operator = rng.choice(UNIT_OPERATORS, units)
    channels = rng.integers(1, 5, units)
    channels[operator == "hamiltonian3x3"] = 4
    edges = random_edges(rng, units)
    inputs = ~np.isin(np.arange(units), edges[1]) | (rng.random(units) < 0.2)
    return Structure(
        edges,
        units,
        family="cnn",
        inputs=inputs,
        attributes={
            "operator": operator.tolist(),
            "channels": channels.tolist(),
            "activation": rng.choice(["relu", "tanh"], units).tolist(),
            "stage": np.sort(rng.integers(0, 3, units)).tolist(),
            "join": rng.choice(["concat", "sum"], units).tolist(),
        },
    ).relabel(rng.permutation(units))


def drawn_parameters(structure, task, config, seed) -> dict[str, np.ndarray]:
    """Values everywhere that a mask lets them be, running statistics included."""
    rng = np.random.default_rng(seed)
    initial = initial_parameters(structure, task, config, seed)
    full = {name: rng.normal(size=v.shape).astype(np.float32) * 0.5 for name, v in initial.items()}
    module = CNN(structure, full)
    for block in module.blocks:
        if block.normalised:
            block.norm_mean.copy_(torch.tensor(rng.normal(size=block.channels)))
            block.norm_var.copy_(torch.tensor(rng.uniform(0.5, 2, size=block.channels)))
    return module.parameters_by_name()


def scores_by_definition(structure, p, images) -> torch.Tensor:
    """Class scores in float64; a loop over units and edges."""
    p = {name: torch.tensor(value, dtype=torch.float64) for name, value in p.items()}
    operator, join, activation = (unit_values(structure, n) for n in ("operator", "join", "activation"))
    stage, channels = unit_values(structure, "stage"), unit_values(structure, "channels")
    image = torch.tensor(images, dtype=torch.float64)
    image = image[:, None] if image.dim() == 3 else image
    inputs, maps, own_rows = np.flatnonzero(structure.inputs).tolist(), {}, {}
    for unit in np.argsort(structure.layer, kind="stable").tolist():
        o, c = operator[unit], channels[unit]
        side = join[unit] == "concat"
        into = np.flatnonzero(structure.edge_index[1] == unit).tolist()
        origin = {e: int(structure.edge_index[0, e]) for e in into}
        sources = [(maps[s], stage[s], p["weight"][e]) for e, s in origin.items()]
        if unit in inputs:
            row = p["input_weight"][inputs.index(unit)] if "input_weight" in p else p[f"input_weight.{unit}"]
            sources.append((image, None, row.reshape(-1)))
        pools = o in ("maxpool3x3", "avgpool3x3")
        fits = sum(x.shape[1] for x, *_ in sources) == c
        fits = fits and all(s is not None and (pools or s == stage[unit]) for _, s, _ in sources)
        parts, passed = [], []
        for x, from_stage, row in sources:
            stride, n = 2 ** (stage[unit] - (from_stage or 0)), x.shape[1]
            if side and pools:
                x, stride = pooled(o, x, stride), 1
            if side and o in ("conv3x3", "conv1x1"):
                k = 3 if o == "conv3x3" else 1
                kernel = row[: n * c * k * k].reshape(n, c, k, k).transpose(0, 1)
                parts.append(functional.conv2d(x, kernel, stride=stride, padding=k // 2))
            elif side and o == "sepconv3x3":
                row = row[: n * (9 + c)].reshape(n, 9 + c)
                x = functional.conv2d(x, row[:, :9].reshape(n, 1, 3, 3), stride=stride, padding=1, groups=n)
                parts.append(functional.conv2d(x, row[:, 9:].T[:, :, None, None]))
            elif (side and fits) or (not side and n == c and from_stage == stage[unit]):
                passed.append(x)
            else:
                kernel = row[: n * c].reshape(n, c).T[:, :, None, None]
                parts.append(functional.conv2d(x, kernel, stride=stride))
        value = torch.cat(passed, 1) if side and passed else sum(parts + passed)
        if not torch.is_tensor(value):  # nothing feeds it
            size = [-(-length // 2 ** stage[unit]) for length in image.shape[2:]]
            value = torch.zeros(len(image), c, *size, dtype=torch.float64)
            if o not in CONVOLUTIONS:
                maps[unit] = value
                continue
            side = True
        bias = p["bias"][unit, :c]
        act = ACTIVATE[activation[unit]]
        if o in FLOWS or (not side and o in CONVOLUTIONS):
            with_own = [u for u in range(structure.num_units) if own(operator[u], join[u])]
            own_rows = p["unit_weight"][with_own.index(unit)]
        if not side and o == "sepconv3x3":
            depthwise, pointwise = own_rows[: 9 * c], own_rows[9 * c : 9 * c + c * c]
            value = functional.conv2d(value, depthwise.reshape(c, 1, 3, 3), padding=1, groups=c)
            value = functional.conv2d(value, pointwise.reshape(c, c, 1, 1))
        elif not side and o in CONVOLUTIONS:
            k = 3 if o == "conv3x3" else 1
            value = functional.conv2d(value, own_rows[: c * c * k * k].reshape(c, c, k, k), padding=k // 2)
        elif not side and pools:
            value = pooled(o, value, 1)
        elif o == "gradient-flow3x3":
            kernel = own_rows[: 9 * c * c].reshape(c, c, 3, 3)
            step = 2 / three_times_norm(kernel) ** 2
            force = act(functional.conv2d(value, kernel, bias, padding=1))
            value = value - step * functional.conv2d(force, kernel.transpose(0, 1).flip(2, 3), padding=1)
        elif o in ("expansion3x3", "contraction3x3"):
            kernel = own_rows[: 9 * c * c].reshape(c, c, 3, 3)
            force = act(functional.conv2d(value, kernel, bias, padding=1))
            back = functional.conv2d(force, kernel.transpose(0, 1).flip(2, 3), padding=1)
            back = back / three_times_norm(kernel) ** 2
            value = value + back if o == "expansion3x3" else value - (value + back) / 2
        elif o == "hamiltonian3x3":
            h = c // 2
            kernel = own_rows[: 9 * h * h].reshape(h, h, 3, 3)
            y, z = value[:, :h], value[:, h:]
            turned = kernel.transpose(0, 1).flip(2, 3)
            force = act(functional.conv2d(y, kernel, bias[h:], padding=1))
            z = z - 0.5 * functional.conv2d(force, turned, padding=1)
            speed = act(functional.conv2d(z, kernel, bias[:h], padding=1))
            value = torch.cat([y + 0.5 * functional.conv2d(speed, turned, padding=1), z], 1)
        if o in CONVOLUTIONS:
            if "norm_scale" in p:
                mean, var, scale = (p[f"norm_{n}"][unit, :c, None, None] for n in ("mean", "var", "scale"))
                value = scale * (value - mean) / torch.sqrt(var + 1e-5)
            value = act(value + bias[:, None, None])
        maps[unit] = value
    means = torch.cat([maps[u].mean((2, 3)) for u in np.flatnonzero(structure.outputs)], 1)
    return means @ p["readout_weight"].T + p["readout_bias"]


def own(operator, join) -> bool:
    return operator in FLOWS or (join == "sum" and operator in CONVOLUTIONS)


def pooled(operator, x, stride):
    function = functional.max_pool2d if operator == "maxpool3x3" else functional.avg_pool2d
    options = {} if operator == "maxpool3x3" else {"count_include_pad": False}
    return function(x, 3, stride, 1, **options)


def three_times_norm(kernel) -> float:
    """The bound by its definition; the module's is an upper bound of it and a little larger."""
    matrix = kernel.permute(0, 2, 1, 3).reshape(3 * kernel.shape[0], -1)
    gram = torch.linalg.matrix_power(matrix.T @ matrix, 16)
    return 3 * float(gram.norm()) ** (1 / 32) * 1.0001


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from(["channels", "cells"]))
def test_the_module_computes_its_definition(seed, normalised, kind):
    task = GREY if seed % 2 else COLOUR
    structure = cell_graph(seed) if kind == "cells" else channel_graph(seed, 9, ("conv3x3", "conv1x1"))
    config = TrainConfig() if normalised else PLAIN
    parameters = drawn_parameters(structure, task, config, seed)
    module = CNN(structure, parameters).double().eval()
    images = task.train.inputs[:3]
    with torch.no_grad():
        scores = module(torch.tensor(images, dtype=torch.float64))
    expected = scores_by_definition(structure, parameters, images)
    torch.testing.assert_close(scores, expected, rtol=1e-6, atol=1e-7)


@given(st.integers(0, 10_000), st.sampled_from(["channels", "cells"]), st.booleans())
def test_a_structure_survives_build_and_back(seed, kind, normalised):
    structure = channel_graph(seed) if kind == "channels" else cell_graph(seed)
    config = TrainConfig() if normalised else PLAIN
    network = extract(build_module(structure, COLOUR, config, seed=seed))
    assert network.structure == structure
    initial = initial_parameters(structure, COLOUR, config, seed)
    for name, value in initial.items():
        found = getattr(network, name) if name in ("weight", "bias") else network.tensors[name]
        np.testing.assert_array_equal(found, value)
    images = torch.tensor(COLOUR.train.inputs[:2])
    again = module_from_network(network).eval()
    assert torch.equal(again(images), build_module(structure, COLOUR, config, seed=seed).eval()(images))


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from(["channels", "cells"]))
def test_masked_weights_stay_zero_through_training(seed, kind):
    structure = channel_graph(seed) if kind == "channels" else cell_graph(seed)
    module = build_module(structure, COLOUR, seed=seed)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.05, weight_decay=0.1)
    images, targets = torch.tensor(COLOUR.train.inputs), torch.tensor(COLOUR.train.targets)
    before = module.parameters_by_name()
    for _ in range(5):
        optimiser.zero_grad()
        functional.cross_entropy(module(images), targets).backward()
        optimiser.step()
    for block in module.blocks:
        for name, mask in block.named_buffers():
            if name.endswith("_mask"):
                assert (getattr(block, name.removesuffix("_mask"))[mask == 0] == 0).all()
    after, layout = module.parameters_by_name(), module.layout
    assert (after["weight"][~layout.weight_mask] == 0).all()
    assert not np.array_equal(after["readout_weight"], before["readout_weight"])


@given(st.integers(0, 10_000), st.sampled_from(["channels", "cells"]), st.booleans())
def test_parameters_are_as_many_as_the_module_holds(seed, kind, normalised):
    structure = channel_graph(seed) if kind == "channels" else cell_graph(seed)
    config = TrainConfig() if normalised else PLAIN
    module = build_module(structure, COLOUR, config)
    held = 0
    for block in module.blocks:
        masks = dict(block.named_buffers())
        for name, parameter in block.named_parameters():
            mask = masks.get(f"{name}_mask")
            held += parameter.numel() if mask is None else int(mask.sum())
    held += sum(parameter.numel() for parameter in module.readout.parameters())
    assert count_parameters(structure, COLOUR, config) == held


def test_parameters_of_a_small_network_by_hand():
    edges = [[0, 1, 0], [1, 2, 2]]
    attributes = {"channels": [4, 6, 5], "operator": ["conv3x3", "sepconv3x3", "maxpool3x3"]}
    structure = Structure(edges, 3, family="cnn", attributes=attributes)
    by_hand = 3 * 4 * 9 + 2 * 4  # the stem on three colours, its scales and biases
    by_hand += 4 * 9 + 4 * 6 + 2 * 6
    by_hand += (4 + 6) * 5  # ten channels side by side, aligned to five
    by_hand += 5 * 2 + 2
    assert count_parameters(structure, COLOUR, TrainConfig()) == by_hand


def test_narrow_units_of_a_layer_share_a_convolution():
    layers = Structure.from_layers([10, 12, 3], family="cnn")
    assert len(build_module(layers, GREY).blocks) == 3
    wide = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], 4, family="cnn", attributes={"channels": [8, 16, 16, 32]})
    assert len(build_module(wide, GREY).blocks) == 4


def test_initial_weights_keep_the_size_of_maps():
    structure = Structure.from_layers([40] * 8, family="cnn")
    module = build_module(structure, COLOUR, PLAIN, seed=0)
    sizes = []
    for block in module.blocks:
        block.register_forward_hook(lambda _m, _i, out: sizes.append(float((out**2).mean())))
    with torch.no_grad():
        module(torch.tensor(RNG.normal(size=(8, 3, 32, 32)), dtype=torch.float32))
    # Zeros around the map take a little of it in each layer.
    assert all(0.2 < size < 1.4 for size in sizes)


def test_running_statistics_follow_the_batches_and_decide_the_evaluation():
    structure = channel_graph(3)
    module = build_module(structure, COLOUR)
    images = torch.tensor(COLOUR.train.inputs)
    trained = module.train()(images)
    values = module.parameters_by_name()
    assert (values["norm_mean"] != 0).all()
    assert not torch.allclose(module.eval()(images), trained)
    assert module.train()(images[:1]).isfinite().all()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"operator": ["conv3x3", "conv5x5"]}, r"attributes\['operator'\] must be among conv3x3"),
        ({"channels": [1, 0]}, r"attributes\['channels'\] must be integers from 1, got 0"),
        ({"stage": [1, 0]}, r"\['stage'\] must not fall along an edge, got 'stage 1 before stage 0'"),
        ({"stage": ["a", "b"]}, r"attributes\['stage'\] must be integers from 0, got 'a'"),
        ({"join": ["max", "sum"]}, r"attributes\['join'\] must be among concat, sum, got 'max'"),
        ({"operator": ["conv3x3", "hamiltonian3x3"]}, r"must be even for 'hamiltonian3x3', got 1"),
    ],
)
def test_attributes_that_break_a_rule_are_named(attributes, message):
    with pytest.raises(StructureError, match=message):
        build_module(Structure([[0], [1]], 2, family="cnn", attributes=attributes), GREY)


def test_tasks_and_options_that_do_not_fit_are_refused():
    structure = Structure.from_layers([2, 2], family="cnn")
    vectors = Task.from_arrays("vectors", RNG.normal(size=(30, 2)), [0, 1] * 15)
    with pytest.raises(InvalidInputError, match=r"task.inputs must be images .*got \[2\]"):
        build_module(structure, vectors)
    with pytest.raises(InvalidInputError, match=r"config.normalization must be .*got 'layer'"):
        parameter_shapes(structure, GREY, TrainConfig(normalization="layer"))
    with pytest.raises(InvalidInputError, match=r"config.protocol must be 'clean'"):
        parameter_shapes(structure, GREY, TrainConfig(protocol="faithful"))
