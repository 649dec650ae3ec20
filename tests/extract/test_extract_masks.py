"""Arguments that say where a module looks: masks, lengths, edges of graphs, caches of keys and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import rnn

from nnstruct.extract import extract
from nnstruct.modules.program.module import program_module
from nnstruct.network.module_network import ModuleNetwork


def computes(network: Any, given: tuple[Tensor, ...], expected: list[Tensor]) -> None:
    assert isinstance(network, ModuleNetwork)
    made = program_module(network).eval()(*given)
    made = [made] if isinstance(made, Tensor) else list(made)
    assert len(made) == len(expected)
    for one, other in zip(made, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


class Packed(nn.Module):
    """Layers on packed sequences; what stands in the packed rows is changed between them."""

    def __init__(self, kind: str, **options: Any) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.layers = getattr(nn, kind)(4, 5, batch_first=True, **options)

    def forward(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        packed = rnn.pack_padded_sequence(self.first(x), lengths, batch_first=True, enforce_sorted=False)
        out, last = self.layers(packed)
        out = rnn.PackedSequence(out.data.tanh(), *out[1:])
        padded, _ = rnn.pad_packed_sequence(out, batch_first=True, padding_value=-1.0)
        return [padded, *(last if isinstance(last, tuple) else [last])]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LSTM", {}),
        ("RNN", {"nonlinearity": "relu"}),
        ("GRU", {"num_layers": 2, "bidirectional": True}),
        ("LSTM", {"bidirectional": True, "proj_size": 2}),
    ],
)
def test_packed_sequences(kind: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    module, x, lengths = Packed(kind, **options), torch.randn(3, 6, 4), torch.tensor([4, 6, 2])
    network = extract(module, (x, lengths))
    with torch.no_grad():
        computes(network, (x,), module(x, lengths))
    plain = extract(nn.Sequential(nn.Linear(4, 4), module.layers), x)
    recurrent = [int(found.structure.recurrent.sum()) for found in (network, plain)]
    assert recurrent[0] == recurrent[1]


def test_a_packed_sequence_as_input() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.GRU(4, 5)

        def forward(self, packed: rnn.PackedSequence) -> Tensor:
            return self.layers(packed)[1]

    module, x = Last(), torch.randn(6, 3, 4)
    packed = rnn.pack_padded_sequence(x, torch.tensor([6, 4, 2]))
    network = extract(module, (packed,))
    assert network.structure.num_units == 9
    with torch.no_grad():
        computes(network, (packed.data,), [module(packed)])


class Encoder(nn.Module):
    """A mask of symbols, as libraries of language models have it."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(9, 6), nn.Embedding(7, 6)
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, symbols: Tensor, mask: Tensor) -> Tensor:
        places = torch.cumsum((symbols != 1).long(), 1) * (symbols != 1).long()
        x = self.table(symbols) + self.places(places)
        seen = mask[:, None, None, :].to(x.dtype)
        shift = (1.0 - seen) * torch.finfo(x.dtype).min
        heads = [part.unflatten(-1, (2, 3)).transpose(1, 2) for part in (self.query(x), self.key(x), x)]
        made = functional.scaled_dot_product_attention(*heads, attn_mask=shift)
        return made.transpose(1, 2).flatten(2)[torch.arange(len(x)), mask.sum(1) - 1]


def test_a_mask_is_a_constant_and_symbols_are_an_input() -> None:
    torch.manual_seed(0)
    module, symbols = Encoder(), torch.tensor([[3, 4, 5, 1], [2, 6, 1, 1]])
    mask = (symbols != 1).long()
    network = extract(module, (symbols, mask))
    assert len(network.program.inputs) == 1
    with torch.no_grad():
        computes(network, (symbols,), [module(symbols, mask)])
        other = torch.tensor([[3, 4, 4, 1], [2, 7, 1, 1]])
        computes(network, (other,), [module(other, mask)])


def test_integers_that_are_numbers_stay_inputs() -> None:
    class Image(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)
            self.gain = nn.Parameter(torch.randn(4))

        def forward(self, pixels: Tensor, features: Tensor) -> Tensor:
            return self.layer(pixels.float() / 255) + (features * self.gain).sum()

    network = extract(Image(), (torch.randint(0, 255, (1, 4)), torch.randint(0, 9, (1, 4))))
    assert len(network.program.inputs) == 2


class GraphLayer(nn.Module):
    """Messages along the edges of a graph: sums, means or maxima at each node."""

    def __init__(self, reduce: str) -> None:
        super().__init__()
        self.layer, self.reduce = nn.Linear(3, 4), reduce

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        messages = self.layer(x).index_select(0, edges[0])
        if self.reduce == "amax":
            where = edges[1][:, None].expand_as(messages)
            zero = messages.new_zeros(len(x), 4)
            return zero.scatter_reduce(0, where, messages, "amax", include_self=False)
        total = x.new_zeros(len(x), 4).scatter_add_(0, edges[1][:, None].expand_as(messages), messages)
        if self.reduce == "loops":  # how many there are depends on the numbers of the edges
            others = edges[:, edges[0] != edges[1]]
            return x.new_zeros(len(x), 4).index_add(0, others[1], self.layer(x).index_select(0, others[0]))
        if self.reduce == "mean":
            count = x.new_zeros(len(x)).scatter_add_(0, edges[1], x.new_ones(edges.shape[1]))
            return total / count.clamp(min=1)[:, None]
        return total


@pytest.mark.parametrize("reduce", ["sum", "mean", "amax", "loops"])
def test_the_edges_of_a_graph_are_constants(reduce: str) -> None:
    torch.manual_seed(0)
    module, x = GraphLayer(reduce), torch.randn(5, 3)
    edges = torch.tensor([[0, 1, 2, 2, 4, 3, 1], [1, 2, 1, 0, 2, 0, 1]])
    network = extract(module, (x, edges))
    with torch.no_grad():
        computes(network, (x,), [module(x, edges)])
    # The same units whatever the graph: messages mix nodes, not channels.
    assert isinstance(network, ModuleNetwork)
    assert int((network.edge_kind == "weight").sum()) == 12
    more = extract(module, (torch.randn(7, 3), torch.randint(0, 7, (2, 20))))
    assert more.structure.fingerprint == network.structure.fingerprint


class Cache:
    """Keys and values of earlier symbols, in a class that PyTorch does not know."""

    def __init__(self, layers: list[Tensor]) -> None:
        self.layers = layers

    def update(self, place: int, value: Tensor) -> Tensor:
        self.layers[place] = torch.cat([self.layers[place], value], 1)
        return self.layers[place]


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.query, self.key = nn.Embedding(9, 6), nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, symbols: Tensor, cache: Cache) -> dict[str, Any]:
        x = self.table(symbols)
        keys = cache.update(0, self.key(x))
        scores = (self.query(x) @ keys.mT).softmax(-1)
        return {"out": scores @ keys, "cache": cache}


def test_a_cache_is_an_input_and_stays_as_it_was() -> None:
    torch.manual_seed(0)
    module, symbols = Decoder(), torch.tensor([[3]])
    cache = Cache([torch.randn(1, 4, 6)])
    before = cache.layers[0].clone()
    network = extract(module, {"symbols": symbols, "cache": cache})
    assert torch.equal(cache.layers[0], before)
    assert len(network.program.inputs) == 2
    with torch.no_grad():
        made = module(symbols, Cache([before.clone()]))
        computes(network, (symbols, before), [made["out"], made["cache"].layers[0]])


def test_shared_heads_of_keys() -> None:
    class Grouped(nn.Module):
        def forward(self, query: Tensor, key: Tensor) -> Tensor:
            return functional.scaled_dot_product_attention(query, key, key, enable_gqa=True)

    query, key = torch.randn(1, 4, 3, 2), torch.randn(1, 2, 3, 2)
    network = extract(Grouped(), (query, key))
    computes(network, (query, key), [Grouped()(query, key)])


def test_places_by_index() -> None:
    class Places(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            index = torch.tensor([[0, 2], [1, 1]])
            top = x.topk(2, dim=1)
            return [
                x[:, index],
                x[torch.tensor([1, 0]), :, torch.tensor([0, 1])],
                x.gather(1, index[..., None]),
                x.gather(1, top.indices),
                torch.zeros(2, 4, 3).scatter(1, index[..., None].expand(2, 2, 3), x[:, :2]),
                x[x.new_tensor([True, False], dtype=torch.bool)],
            ]

    x = torch.randn(2, 4, 3)
    network = extract(Places(), x)
    computes(network, (x,), Places()(x))
    assert np.isfinite(network.weight).all()


def test_a_write_into_the_result_of_an_operation() -> None:
    class Routed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            best = x.softmax(-1).topk(2, dim=-1).values
            best /= best.sum(-1, keepdim=True)
            return best

    x = torch.randn(3, 5)
    computes(extract(Routed(), x), (x,), [Routed()(x)])


def test_one_tensor_for_two_arguments_is_two_inputs() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(3, 4)

        def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
            return self.table(tokens) * mask[..., None]

    module, ones = Masked(), torch.ones(1, 5, dtype=torch.long)
    network: Any = extract(module, {"tokens": ones, "mask": ones})
    assert len(network.program.inputs) == 1
    other = torch.tensor([[0, 1, 2, 1, 0]])
    with torch.no_grad():
        computes(network, (other,), [module(other, ones)])
