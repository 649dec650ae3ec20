"""Modules that are networks of a family: the Structure that one could have drawn, and the same outputs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nnstruct as ns
from nnstruct import Space, Structure, TrainConfig, load_task, priors
from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract, extract_onnx
from nnstruct.modules import build_module, module_from_network
from nnstruct.structure.units import UNIT_DEFAULTS


class Hidden(nn.Module):
    """Hides that a module is one of nnstruct, so that what it computes has to be read."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.inner(*inputs)


class Tagger(nn.Module):
    def __init__(self, kind: str, padding: int | None = None, **options: Any) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, 4, padding_idx=padding)
        self.layers = getattr(nn, kind)(4, 3, 2, batch_first=True, **options)
        self.readout = nn.Linear(3, 2)

    def forward(self, symbols: Tensor) -> Tensor:
        return self.readout(self.layers(self.embedding(symbols))[0][:, -1])


class Dense(nn.Module):
    """Every layer reads all before it, the image included."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 4), nn.Linear(10, 3), nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        first = self.a(x).tanh()
        second = self.b(torch.cat([x, first], 1)).relu()
        return self.c(torch.cat([second, first], 1)).log_softmax(1)


def perceptron(norm: Callable[[int], nn.Module] = lambda _: nn.Identity()) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(12, 5), norm(5), nn.ReLU(), nn.Dropout(), nn.Linear(5, 3), norm(3), nn.ReLU(),
        nn.Linear(3, 10),
    )  # fmt: skip


def convolutions(channels: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(4, 5, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(5), nn.Tanh(),
        nn.Conv2d(5, 6, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip


def awake(module: nn.Module) -> nn.Module:
    """Statistics and weights as no initialisation leaves them; some weights are zero."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "var" in name else torch.randn_like(value) * 0.5)
    return module.eval()


def test_a_perceptron_is_the_structure_that_one_would_draw() -> None:
    module, x = awake(perceptron()), torch.randn(4, 3, 4)
    network = extract(module, x, family="auto")
    assert network.structure == Structure.from_layers([5, 3])
    assert network.structure.fingerprint == Structure.from_layers([5, 3]).fingerprint
    assert network.weight.shape == (15, 1)
    assert network.tensors["input_weight"].shape == (5, 12, 1)
    assert torch.allclose(module_from_network(network).eval()(x), module(x), atol=1e-5)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.LayerNorm])
def test_normalised_perceptrons(norm: Callable[[int], nn.Module]) -> None:
    module, x = awake(perceptron(norm)), torch.randn(4, 3, 4)
    network = extract(module, x, family="mlp")
    assert network.structure == Structure.from_layers([5, 3])
    assert ("norm_scale" in network.tensors) == (norm is nn.LayerNorm)
    assert torch.allclose(module_from_network(network).eval()(x), module(x), atol=1e-5)


def test_skips_and_several_activations() -> None:
    module, x = awake(Dense()), torch.randn(3, 6)
    network = extract(module, x, family="auto")
    structure = network.structure
    assert structure.attributes == {"activation": ("tanh",) * 4 + ("relu",) * 3}
    assert structure.inputs.all()
    assert structure.outputs.all()
    assert structure.num_edges == 12
    made = module_from_network(network).eval()(x)
    assert torch.allclose(made.log_softmax(1), module(x), atol=1e-5)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_stacks(kind: str) -> None:
    module = awake(Tagger(kind))
    with torch.no_grad():
        module.layers.weight_hh_l1[:, 0] = 0.0
    symbols = torch.randint(0, 6, (4, 5))
    network = extract(module, symbols, family="auto")
    family = {"RNN": "rnn_tanh"}.get(kind, kind.lower())
    assert network.structure.family == family
    assert (network.structure.forward_edges.shape[1], int(network.structure.recurrent.sum())) == (9, 9 + 6)
    assert network.structure.inputs.tolist() == [True] * 3 + [False] * 3
    made = module_from_network(network).eval()(symbols + 1, torch.full((4,), 5))
    assert torch.allclose(made, module(symbols), atol=1e-5)


def test_a_table_whose_first_row_is_padding_keeps_its_symbols() -> None:
    module, symbols = Tagger("RNN", padding=0, nonlinearity="relu").eval(), torch.randint(1, 6, (4, 5))
    network = extract(module, symbols, family="auto")
    assert network.structure == Structure.from_layers([3, 3], family="rnn_relu")
    made = module_from_network(network).eval()(symbols, torch.full((4,), 5))
    assert torch.allclose(made, module(symbols), atol=1e-5)


@pytest.mark.parametrize("resolution", ["unit", "layer"])
def test_plain_convolutions(resolution: str) -> None:
    module, x = awake(convolutions()), torch.randn(2, 3, 17, 17)
    network = extract(module, x, resolution, family="auto")
    structure = network.structure
    assert structure.family == "cnn"
    counts = (4, 3) if resolution == "layer" else (4 + 4 + 5 + 6, 4 + 4 * 5 + 5 * 6)
    assert (structure.num_units, structure.num_edges) == counts
    if resolution == "layer":
        assert structure.attributes["channels"] == (4, 4, 5, 6)
        assert structure.attributes["operator"] == ("conv3x3", "maxpool3x3", "conv3x3", "conv1x1")
        assert structure.attributes["stage"] == (0, 1, 2, 2)
        assert structure.attributes["activation"] == ("relu", "relu", "tanh", "relu")
    assert torch.allclose(module_from_network(network).eval()(x), module(x), atol=1e-5)


class Sum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + x.relu()


# What is of no family, and what the error for a family says of it.
STRANGERS: dict[str, tuple[nn.Module, Tensor, str]] = {
    "no unit": (nn.Linear(4, 2), torch.zeros(1, 4), "no unit with an activation"),
    "a bottleneck": (
        nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(1, 4),
        "a linear step reads another one",
    ),
    "an activation of no family": (
        nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2)), torch.zeros(1, 4),
        "no family has sigmoid"
    ),
    "a residual sum": (
        nn.Sequential(nn.Linear(4, 3), nn.ReLU(), Sum(), nn.Linear(3, 2)), torch.zeros(1, 4),
        "no family has relu"
    ),
    "no read-out": (nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.zeros(1, 4), "no linear read-out"),
    "a flattened map": (
        nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)),
        torch.zeros(1, 1, 4, 4), "axes of different roles",
    ),
    "an unpadded kernel": (
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)),
        torch.zeros(1, 1, 4, 4), "this convolution",
    ),
    "two directions": (
        nn.Sequential(nn.LSTM(4, 3, bidirectional=True)), torch.zeros(2, 1, 4), "one input and one output",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_of_no_family_stays_a_module(name: str) -> None:
    module, x, reason = STRANGERS[name]
    found = extract(module.eval(), x, family="auto").structure
    assert found.family == "module"
    assert found == extract(module, x).structure
    with pytest.raises(InvalidInputError, match=reason):
        extract(module, x, family="cnn")


def test_the_family_asked_for_is_the_family_given() -> None:
    with pytest.raises(InvalidInputError, match=r"be of the family 'cnn'.*of the family mlp"):
        extract(perceptron().eval(), torch.zeros(1, 12), family="cnn")
    with pytest.raises(InvalidInputError, match="family must be one of module, auto, mlp"):
        extract(perceptron().eval(), torch.zeros(1, 12), family="transformer")
    own = build_module(Structure.from_layers([4, 3]), load_task("digits"))
    with pytest.raises(InvalidInputError, match="be of the family 'cnn'"):
        extract(own, family="cnn")


def test_a_file_has_a_family_too(tmp_path) -> None:
    module, x = awake(perceptron()), torch.randn(1, 3, 4)
    torch.onnx.export(module, (x,), str(tmp_path / "m.onnx"), dynamo=False)
    network = extract_onnx(tmp_path / "m.onnx", family="auto")
    assert network.structure == Structure.from_layers([5, 3])
    assert torch.allclose(module_from_network(network).eval()(x), module(x), atol=1e-5)


def test_a_space_of_modules_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="family must be one whose structures can be built"):
        Space("module")


def test_extracted_structures_stand_beside_drawn_ones() -> None:
    found = extract(perceptron().eval(), torch.zeros(1, 12), family="auto").structure
    drawn = priors.sample(Space("mlp", units=(5, 9)), n=5, seed=0)
    table = ns.features([found, *drawn])
    assert np.isfinite(table.iloc[0].to_numpy(dtype=float)).sum() == np.isfinite(table.iloc[1]).sum()
    assert Space("mlp", units=(5, 9)).contains(found)
    assert build_module(found, load_task("digits"), seed=0)(torch.zeros(1, 64)).shape == (1, 10)


# ---- twins of drawn structures


def twins(family: str, count: int, seed: int = 0, **space: Any) -> list[tuple[Structure, nn.Module, Any]]:
    """Drawn structures with a module of each and an example for it."""
    task = load_task({"mlp": "digits", "cnn": "shapes"}.get(family, "reber"))
    example: Any = torch.randn(2, *task.input_shape) if not task.is_sequence else None
    if example is None:
        example = (torch.tensor([[1, 2, 3], [2, 1, 1]]), torch.tensor([3, 3]))
    config = TrainConfig(normalization="layer") if family == "mlp" and seed % 2 else TrainConfig()
    drawn = priors.sample(Space(family, **space), n=count, seed=seed)
    return [(s, build_module(s, task, config, seed=place), example) for place, s in enumerate(drawn)]


def share_of_twins(found: list[tuple[Structure, nn.Module, Any]], resolution: str, hidden: bool) -> float:
    """The share whose extracted structure has the fingerprint of the drawn one; a found family never lies."""
    same = 0
    for structure, module, example in found:
        subject = Hidden(module.eval()) if hidden else module
        network = extract(subject, example, resolution, family="auto")
        same += network.structure.fingerprint == structure.fingerprint
        if hidden and network.structure.family != "module":
            given = example if isinstance(example, tuple) else (example,)
            made, expected = module_from_network(network).eval()(*given), module(*given)
            assert torch.allclose(made, expected, atol=1e-4)
    return same / len(found)


@pytest.mark.parametrize("family", ["mlp", "cnn", "rnn_tanh", "lstm"])
def test_modules_of_drawn_structures_give_them_back(family: str) -> None:
    found = twins(family, 3, units=(5, 12))
    assert share_of_twins(found, "unit", hidden=False) == 1.0
    assert share_of_twins(found, "layer", hidden=False) == 1.0


@pytest.mark.parametrize("seed", [0, 1])
def test_perceptrons_that_are_only_seen_computing(seed: int) -> None:
    assert share_of_twins(twins("mlp", 3, seed, units=(5, 20)), "unit", hidden=True) == 1.0


# What adds maps: edges, those that are residual, and attributes.
SUMS: dict[str, tuple[list[tuple[int, int]], list[bool], dict[str, tuple[Any, ...]]]] = {
    "residual edges": (
        [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3)], [False, True, True, False, False], {},
    ),
    "a projection": (
        [(0, 1), (0, 2), (1, 2), (2, 3)], [False, True, False, False], {"stage": (0, 0, 1, 1)},
    ),
    "a sum that is passed on": (
        [(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)], [False, True, False, True, True],
        {"operator": ("conv3x3", "conv3x3", "conv1x1", "identity"), "join": ("concat",) * 3 + ("sum",)},
    ),
    "a strided factor": (
        [(0, 1), (1, 2)], [False, False], {"operator": ("conv3x3", "conv1x1", "conv3x3"), "stage": (0, 1, 1)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_sums_of_maps_that_are_only_seen_computing(name: str, channels: int) -> None:
    edges, residual, attributes = SUMS[name]
    count = 1 + max(target for _, target in edges)
    width = {} if channels == 1 else {"channels": (channels,) * count}
    ends = np.arange(count)
    structure = Structure(
        np.array(edges).T, count, residual=np.array(residual), family="cnn", inputs=ends == 0,
        outputs=ends == count - 1, attributes=attributes | width,
    )  # fmt: skip
    task = load_task("shapes", train=64, val=8, test=8)
    module, x = build_module(structure, task).eval(), torch.randn(2, *task.input_shape)
    resolution = "unit" if channels == 1 else "layer"
    network = extract(Hidden(module), x, resolution, family="auto")
    assert network.structure == structure
    assert network.structure.fingerprint == structure.fingerprint
    with torch.no_grad():
        assert torch.allclose(module_from_network(network).eval()(x), module(x), atol=1e-5)


# What acts on the sum of its inputs with a kernel of its own; the image is brought to its channels first.
FLOWS_AND_SUMS: dict[str, tuple[list[tuple[int, int]], dict[str, tuple[Any, ...]]]] = {
    "small-world": (
        [(0, 2), (1, 2), (0, 3), (2, 3), (1, 4), (3, 4)],
        {"operator": ("conv3x3",) * 4 + ("identity",), "join": ("sum",) * 5},
    ),
    "gradient flows": (
        [(0, 1), (1, 2), (2, 3)],
        {"operator": ("conv3x3",) + ("gradient-flow3x3",) * 3, "join": ("concat",) + ("sum",) * 3,
         "tie": (0, 1, 1, 2), "activation": ("relu", "tanh", "tanh", "tanh")},
    ),
    "steps in turn": (
        [(0, 1), (1, 2), (2, 3), (3, 4)],
        {"operator": ("conv3x3",) + ("expansion3x3", "contraction3x3") * 2,
         "join": ("concat",) + ("sum",) * 4,
         "channels": (2,) * 5, "tie": (0, 1, 2, 1, 2)},
    ),
    "hamiltonian flows": (
        [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4)],
        {"operator": ("conv3x3",) + ("hamiltonian3x3",) * 4, "join": ("concat",) + ("sum",) * 4,
         "channels": (2,) * 5},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOWS_AND_SUMS)
def test_kernels_on_sums_that_are_only_seen_computing(name: str) -> None:
    edges, attributes = FLOWS_AND_SUMS[name]
    count = 1 + max(target for _, target in edges)
    ends = np.arange(count)
    inputs = ends < (2 if name == "small-world" else 1)
    structure = Structure(
        np.array(edges).T,
        count,
        family="cnn",
        inputs=inputs,
        outputs=ends >= count - 2,
        attributes=attributes,
    )
    task = load_task("shapes", train=64, val=8, test=8)
    module, x = build_module(structure, task).eval(), torch.randn(2, *task.input_shape)
    network = extract(Hidden(module), x, "layer" if "channels" in attributes else "unit", family="auto")
    assert network.structure == structure
    assert network.structure.fingerprint == structure.fingerprint
    with torch.no_grad():
        assert torch.allclose(module_from_network(network).eval()(x), module(x), atol=1e-5)


def test_a_step_of_another_length_is_no_flow() -> None:
    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(torch.randn(2, 2, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            force = torch.tanh(torch.conv2d(x, self.kernel, padding=1))
            return x - 0.3 * torch.conv_transpose2d(force, self.kernel, padding=1)

    before = (nn.Conv2d(1, 2, 3, padding=1), nn.ReLU())
    module = nn.Sequential(*before, Step(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    assert extract(module.eval(), torch.randn(1, 1, 8, 8), family="auto").structure.family == "module"


@pytest.mark.parametrize("family", ["rnn_tanh", "rnn_relu", "gru", "lstm"])
def test_loops_over_time_that_are_only_seen_computing(family: str) -> None:
    edges = np.array([[0, 0, 1, 2, 0, 1, 3], [2, 3, 3, 3, 1, 1, 2]])
    structure = Structure(
        edges, 4, recurrent=np.arange(7) > 3, family=family, inputs=np.arange(4) < 2, outputs=np.arange(4) > 1
    )
    module = build_module(structure, load_task("reber"), seed=1).eval()
    with torch.no_grad():
        module.bias.normal_()  # type: ignore[union-attr, operator]
    example = torch.tensor([[1, 2, 3, 2], [2, 1, 1, 2]]), torch.tensor([4, 2])
    network = extract(Hidden(module), example, family="auto")
    assert network.structure == structure
    assert network.structure.fingerprint == structure.fingerprint
    with torch.no_grad():
        assert torch.allclose(module_from_network(network).eval()(*example), module(*example), atol=1e-5)


class Loop(nn.Module):
    """A cell that is written by hand, and what no family does with it."""

    def __init__(self, twist: str) -> None:
        super().__init__()
        self.twist, self.inner, self.outer = twist, nn.Linear(2, 3), nn.Linear(3, 3)
        self.readout = nn.Linear(3, 2)

    def forward(self, series: Tensor) -> Tensor:
        state = torch.full((len(series), 3), float(self.twist == "starts elsewhere"))
        for time in range(series.shape[1]):
            x = series[:, time] - (series[:, time].mean(0) if self.twist == "mixes examples" else 0.0)
            x = x * (2.0 if self.twist == "changes" and time == 2 else 1.0)
            state = torch.tanh(self.inner(x) + self.outer(state))
            if time == 1:
                early = state
        return self.readout(early if self.twist == "reads early" else state)


def test_a_cell_that_is_written_by_hand_is_of_a_family() -> None:
    module, series = Loop("").eval(), torch.randn(2, 3, 2)
    network = extract(module, series, family="auto")
    assert network.structure == Structure.from_layers([3], family="rnn_tanh")
    assert network.weight.shape == (9, 1)
    made = module_from_network(network).eval()(series, torch.full((2,), 3))
    assert torch.allclose(made, module(series), atol=1e-5)


@pytest.mark.parametrize("twist", ["starts elsewhere", "mixes examples", "changes", "reads early"])
def test_loops_that_no_family_has(twist: str) -> None:
    module, series = Loop(twist).eval(), torch.randn(2, 3, 2)
    assert extract(module, series, family="auto").structure.family == "module"


def test_a_map_that_is_halved_along_one_axis_is_of_no_family() -> None:
    class Tall(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 1), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.b(self.a(x).relu()[:, :, ::2]).relu().mean((2, 3)))

    found = extract(Tall(), torch.randn(1, 1, 8, 8), family="auto").structure
    assert found.family == "module"


def as_seen(structure: Structure) -> Structure:
    """The structure without what no output can show.

    That is an attribute that says of all units what holds where it is left out, a label that one unit alone
    has, and an identity with one input: it computes f(x) = x, so that a network with it and one whose later
    units read x itself are the same function with the same weights.
    """
    told = {n: v for n, v in structure.attributes.items() if set(v) != {UNIT_DEFAULTS.get(n)}}
    if "tie" in told and max(Counter(told["tie"]).values()) == len({*told["tie"]}) == 1:
        del told["tie"]
    source, target = structure.edge_index
    for unit, operator in enumerate(told.get("operator", ())):
        if operator != "identity" or structure.inputs[unit] or (target == unit).sum() != 1:
            continue
        (before,) = source[target == unit]
        moved = structure.edge_index[:, target != unit].copy()
        moved[0, moved[0] == unit] = before
        if len({*map(tuple, moved.T.tolist())}) == moved.shape[1]:
            outputs = structure.outputs.copy()
            outputs[before] |= outputs[unit]
            kept = np.arange(structure.num_units) != unit
            place = np.cumsum(kept) - 1
            order = np.lexsort((place[moved[1]], place[moved[0]]))
            return as_seen(
                Structure(
                    place[moved[:, order]], int(kept.sum()), family=structure.family,
                    residual=structure.residual[target != unit][order], inputs=structure.inputs[kept],
                    outputs=outputs[kept],
                    attributes={n: tuple(np.array(v, dtype=object)[kept]) for n, v in told.items()},
                )
            )  # fmt: skip
    return dataclasses.replace(structure, attributes=told)


@pytest.mark.study
def test_two_hundred_twins() -> None:
    """200 drawn structures: all come back from their module, and those that are only seen computing."""
    spaces = {"mlp": 60, "cnn": 60, "rnn_tanh": 20, "rnn_relu": 20, "gru": 20, "lstm": 20}
    for family, count in spaces.items():
        found = twins(family, count, units=(5, 30))
        assert share_of_twins(found, "unit", hidden=False) == 1.0
        assert share_of_twins(found, "layer", hidden=False) == 1.0
        if family != "cnn":
            assert share_of_twins(found, "unit", hidden=True) == 1.0


@pytest.mark.study
def test_two_hundred_convolutional_twins_that_are_only_seen_computing() -> None:
    """All come back; those that differ do so by what no output can show, see :func:`as_seen`."""
    counts: Counter[str] = Counter()
    for structure, module, example in twins("cnn", 200, units=(5, 14)):
        resolution = "layer" if "channels" in structure.attributes else "unit"
        network = extract(Hidden(module.eval()), example, resolution, family="auto")
        made = network.structure
        if made.fingerprint == structure.fingerprint:
            counts["same"] += 1
        elif as_seen(made).fingerprint == as_seen(structure).fingerprint:
            counts[f"the same function, {structure.origin['prior']}"] += 1
        else:
            counts[f"{made.family} {structure.origin['prior']}"] += 1
        if made.family == "cnn":
            with torch.no_grad():
                assert torch.allclose(
                    module_from_network(network).eval()(example), module(example), atol=1e-4
                )
    print(dict(counts))
    assert counts["same"] >= 160, counts
    assert not any(name.startswith(("cnn", "module")) for name in counts), counts
