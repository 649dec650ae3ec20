"""Sizes that decide performance stand in the structure, count in its fingerprint and reach the predictors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from nnstruct import Structure
from nnstruct.encode import FeatureTable, GraphEncoder
from nnstruct.errors import StructureError
from nnstruct.extract import extract

MAP = torch.zeros(1, 4, 12, 12)


def perceptron(hidden: int) -> Structure:
    module = nn.Sequential(nn.Linear(8, hidden), nn.ReLU(), nn.Linear(hidden, 3))
    return extract(module, torch.zeros(1, 8), "layer").structure


# What differs, two modules that differ in it alone, and the resolutions that show it.
PAIRS: dict[str, tuple[Callable[[int], nn.Module], tuple[int, int], tuple[str, ...]]] = {
    "kernel": (lambda k: nn.Conv2d(4, 4, k, padding=k // 2), (3, 5), ("unit", "layer")),
    "stride": (lambda s: nn.Conv2d(4, 4, 3, stride=s), (1, 2), ("unit", "layer")),
    "dilation": (lambda d: nn.Conv2d(4, 4, 3, dilation=d), (1, 2), ("weight",)),
    "groups": (lambda g: nn.Conv2d(4, 4, 3, groups=g), (1, 2), ("unit",)),
    "groups of a norm": (lambda g: nn.GroupNorm(g, 4), (1, 2), ("layer",)),
    "window of a pool": (
        lambda k: nn.Sequential(nn.Conv2d(4, 4, 1), nn.MaxPool2d(k, 2, k // 2)), (3, 5), ("unit", "layer")
    ),
    "places of a linear layer": (
        lambda k: nn.Sequential(nn.AdaptiveAvgPool2d(k), nn.Flatten(), nn.Linear(4 * k * k, 3)), (2, 3),
        ("unit",),
    ),
    "heads": (lambda h: Heads(h), (1, 2), ("layer",)),
}  # fmt: skip


class Heads(nn.Module):
    def __init__(self, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, heads, batch_first=True)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        x = maps.flatten(2).mT
        return self.attention(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("name", PAIRS)
def test_modules_that_differ_in_a_size_differ_in_their_fingerprint(name: str) -> None:
    make, sizes, resolutions = PAIRS[name]
    for resolution in resolutions:
        one, other = (extract(make(size), MAP, resolution).structure.fingerprint for size in sizes)
        assert one != other


def test_sizes_are_those_of_the_layers() -> None:
    module = nn.Sequential(
        nn.Conv2d(4, 6, (1, 7), stride=2, dilation=(2, 1), groups=2), nn.ReLU(), nn.AvgPool2d(2),
        nn.ConvTranspose2d(6, 4, 2, groups=2), nn.Flatten(), nn.Linear(4 * 16, 3),
    )  # fmt: skip
    x = torch.zeros(1, 4, 12, 18)
    structure = extract(module, x, "layer").structure
    operators = ("input", "conv2d", "relu", "avg_pool2d", "conv_transpose2d", "linear")
    assert structure.attributes["operator"] == operators
    assert structure.attributes["width"] == (4, 6, 6, 6, 4, 3)
    assert structure.attributes["kernel"] == (1, "1x7", 1, 2, 2, 1)
    assert structure.attributes["stride"] == (1, 2, 1, 2, 1, 1)
    assert structure.attributes["dilation"] == (1, "2x1", 1, 1, 1, 1)
    assert structure.attributes["groups"] == (1, 2, 1, 1, 2, 1)
    units = extract(module, x).structure.attributes
    assert units["kernel"] == (1,) * 4 + ("1x7",) * 6 + (2,) * 4 + (16,) * 3
    assert set(units["activation"]) == {"identity", "relu+avg_pool2d_2_s2"}
    assert "width" not in units


@pytest.mark.parametrize(
    ("module", "x", "width"),
    [
        (nn.LSTM(4, 5, bidirectional=True), torch.zeros(3, 1, 4), (4, 5, 5, 10, 5, 5)),
        (nn.Conv1d(4, 5, 3), torch.zeros(1, 4, 9), (4, 5)),
        (nn.Embedding(9, 6), torch.zeros(1, 3, dtype=torch.long), (1, 6)),
        (Heads(2), MAP, (4, 12, 4, 4)),
    ],
)
def test_widths(module: nn.Module, x: object, width: tuple[int, ...]) -> None:
    found = extract(module, x, "layer").structure.attributes
    assert sorted(found["width"]) == sorted(width), found


def test_a_structure_without_sizes_keeps_its_fingerprint() -> None:
    plain = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], num_units=4)
    assert plain.fingerprint == "84f9c976fd558bcbc5de9be407934101"
    ones = Structure(plain.edge_index, 4, attributes={"kernel": [1] * 4, "width": [1] * 4})
    assert ones == plain
    assert ones.fingerprint == plain.fingerprint
    assert "width" not in extract(nn.Linear(3, 2), torch.zeros(1, 3)).structure.attributes


@pytest.mark.parametrize("value", [0, -1, "large", "3x", "0x3"])
def test_a_size_is_a_number_from_1_or_one_for_each_axis(value: object) -> None:
    with pytest.raises(
        StructureError, match=r"attributes\['kernel'\].*hold integers from 1, or text as '1x7'"
    ):
        Structure([[0], [1]], 2, attributes={"kernel": [1, value]})


def test_sizes_reach_the_columns() -> None:
    wide, wider, other = perceptron(4), perceptron(400), extract(
        nn.Sequential(nn.Conv2d(4, 4, (1, 7)), nn.Conv2d(4, 4, 3)), MAP, "layer"
    ).structure  # fmt: skip
    table = FeatureTable().fit([wide, wider, other])
    values = dict(zip(table.columns_, table.transform([wide, wider, other]).T, strict=True))
    assert values["counts.width_max"].tolist() == [8.0, 400.0, 4.0]
    assert np.allclose(values["counts.kernel_sum"], [4.0, 4.0, 1 + 7**0.5 + 3])


def test_sizes_reach_the_graph_network() -> None:
    structures = [perceptron(4), perceptron(400), Structure([[0, 1], [1, 2]], 3, family="module")]
    encoder = GraphEncoder().fit(structures)
    assert "width" in encoder.attribute_moments_
    graphs = encoder.transform(structures)
    assert not torch.equal(graphs[0].x, graphs[1].x)
    again = GraphEncoder.from_state(*encoder.state()).transform(structures)
    assert all(torch.equal(a.x, b.x) for a, b in zip(graphs, again, strict=True))
    mean, std = encoder.attribute_moments_["width"]
    assert torch.allclose(graphs[2].x[:, -1], torch.tensor((np.log1p(1) - mean) / std, dtype=torch.float32))
