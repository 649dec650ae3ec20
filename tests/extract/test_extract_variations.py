"""Kinds of modules that people have, in variations: what is extracted computes what the module does."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.extract import extract
from nnstruct.modules import program_module


class Own(nn.Module):
    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, *given: Tensor) -> Any:
        return self.function(self.parts, *given)


class Causal(nn.Module):
    """A residual block of a temporal convolutional network; what lies ahead is cut off or never padded."""

    def __init__(self, channels: int, kernel: int, dilation: int, *, cut: bool = False) -> None:
        super().__init__()
        self.size, self.cut = (kernel - 1) * dilation, cut
        padding = self.size if cut else 0
        self.layer = nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)[..., : -self.size] if self.cut else self.layer(functional.pad(x, (self.size, 0)))
        return x + y.relu()


class Mixture(nn.Module):
    def __init__(self, k: int) -> None:
        super().__init__()
        self.k, self.gate = k, nn.Linear(4, 3)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 4)) for _ in "123"
        )

    def forward(self, x: Tensor) -> Tensor:
        weight, index = self.gate(x).topk(self.k, -1)
        made = torch.stack([expert(x) for expert in self.experts], -2)
        chosen = torch.gather(made, -2, index[..., None].expand(*index.shape, 4))
        return (chosen * weight.softmax(-1)[..., None]).sum(-2)


class Cached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        keys, values = torch.cat([keys, self.k(x)], 1), torch.cat([values, self.v(x)], 1)
        return functional.scaled_dot_product_attention(self.q(x), keys, values), keys, values


def _packed(cell: nn.Module, lengths: list[int], *, first: bool, ordered: bool) -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        sizes = torch.tensor(lengths)
        given = nn.utils.rnn.pack_padded_sequence(x, sizes, batch_first=first, enforce_sorted=ordered)
        return nn.utils.rnn.pad_packed_sequence(m[0](given)[0], batch_first=first)[0]

    return Own(run, cell)


def _set(place: Any, value: Callable[[Any, Tensor], Any]) -> Callable[[Any, Tensor], Tensor]:
    def run(m: Any, x: Tensor) -> Tensor:
        y = m[0](x).clone()
        y[place(y) if callable(place) else place] = value(m, x)
        return y

    return run


def _sparse(values: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(torch.tensor([[0, 1, 2, 2], [2, 0, 1, 0]]), values, (3, 3))


def _spikes(m: Any, x: Tensor) -> Tensor:
    def step(state: tuple[Tensor, Tensor], t: int) -> tuple[Tensor, Tensor]:
        level = 0.9 * state[0] + m[0](x[:, t])
        return level * (level < 1), state[1] + (level >= 1).float()

    return reduce(step, range(4), (torch.zeros(2, 3), torch.zeros(2, 3)))[1]


LINEAR, FLAGS = nn.Linear, torch.ones(5, 5).tril() == 0
SEEN = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
X, S, V = (2, 4), (2, 5, 4), (2, 5, 3)
CASES: dict[str, tuple[nn.Module, list[Any]]] = {
    "causal blocks": (nn.Sequential(Causal(2, 3, 1), Causal(2, 2, 4)), [(2, 2, 9)]),
    "causal blocks, cut": (nn.Sequential(Causal(2, 3, 1, cut=True), Causal(2, 3, 2, cut=True)), [(1, 2, 8)]),
    "padded by constants": (
        nn.Sequential(nn.ConstantPad1d((3, 0), 0.0), nn.Conv1d(2, 3, 4), nn.ConstantPad1d((1, 2), 0.5)),
        [(2, 2, 7)],
    ),
    "mirrored": (
        nn.Sequential(nn.ReflectionPad1d(2), nn.Conv1d(2, 3, 3), nn.ReplicationPad1d((2, 0))),
        [(2, 2, 7)],
    ),
    "circular": (nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), [(2, 2, 7)]),
    "padding mask": (
        Own(
            lambda m, x, k: m[0](x, src_key_padding_mask=k == 0),
            nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
        ),
        [S, SEEN],
    ),
    "causal mask": (
        Own(
            lambda m, x: m[0](x, src_mask=FLAGS),
            nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=True),
        ),
        [S],
    ),
    "added mask": (
        Own(
            lambda m, x, k: functional.scaled_dot_product_attention(
                m[0](x), x, x, attn_mask=(1.0 - k[:, None].float()) * -1e4
            ),
            LINEAR(4, 4),
        ),
        [S, SEEN],
    ),
    "masked mean": (
        Own(lambda m, x, k: (m[0](x) * k[..., None]).sum(1) / k.sum(1, keepdim=True), LINEAR(4, 3)),
        [S, SEEN],
    ),
    "mixture of one": (Mixture(1), [S]),
    "mixture of two": (Mixture(2), [(3, 4)]),
    "largest by threshold": (
        Own(lambda m, x: torch.where((y := m[0](x)) >= y.topk(2, -1)[0][..., -1:], y, 0.0 * y), LINEAR(4, 6)),
        [X],
    ),
    "largest by their places": (
        Own(
            lambda m, x: (y := m[0](x)) * torch.zeros_like(y).scatter(-1, y.topk(2, -1)[1], 1.0), LINEAR(4, 6)
        ),
        [X],
    ),
    "straight through": (
        Own(lambda m, x: m[0](x) + (torch.sign(m[0](x)) - m[0](x)).detach(), LINEAR(4, 3)),
        [X],
    ),
    "spikes": (Own(_spikes, LINEAR(2, 3)), [(2, 4, 2)]),
    "sparse weights": (Own(lambda m, x: torch.sparse.mm(_sparse(m[0].weight[0]), x), LINEAR(4, 1)), [(3, 5)]),
    "sparse, added": (
        Own(lambda m, x: torch.sparse.addmm(x[:, :3], _sparse(torch.ones(4)), m[0](x)), LINEAR(4, 3)),
        [(3, 4)],
    ),
    "compressed rows": (
        Own(lambda m, x: _sparse(torch.ones(4)).to_sparse_csr() @ m[0](x), LINEAR(4, 3)),
        [(3, 4)],
    ),
    "packed, both ways": (
        _packed(nn.LSTM(3, 4, batch_first=True, bidirectional=True), [5, 3], first=True, ordered=True),
        [V],
    ),
    "packed, unordered": (_packed(nn.GRU(3, 4, 2), [2, 5, 4], first=False, ordered=False), [(5, 3, 3)]),
    "packed, projected": (
        _packed(nn.LSTM(3, 4, proj_size=2, batch_first=True), [5, 2], first=True, ordered=False),
        [V],
    ),
    "caches of keys and values": (Cached(), [(2, 1, 4), (2, 6, 4), (2, 6, 4)]),
    "a slice written": (
        Own(_set((slice(None), slice(0, 2)), lambda m, x: m[1](x)), LINEAR(4, 3), LINEAR(4, 2)),
        [X],
    ),
    "flags written": (Own(_set(lambda y: y < 0, lambda m, x: 0.25), LINEAR(4, 3)), [X]),
    "places written": (Own(_set((slice(None), [2, 0]), lambda m, x: x[:, :2]), LINEAR(4, 3)), [X]),
    "upsampled": (
        nn.Sequential(nn.Conv2d(1, 2, 1), nn.Upsample(scale_factor=3, mode="bilinear")),
        [(2, 1, 4, 3)],
    ),
    "double": (
        nn.Sequential(nn.Conv1d(1, 2, 3), nn.GELU(), nn.Flatten(), LINEAR(8, 2)).double(),
        [(2, 1, 6)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_variation_computes_the_same(case: str) -> None:
    module, given = CASES[case]
    torch.manual_seed(0)
    dtype = next(module.parameters()).dtype
    inputs = [torch.randn(size, dtype=dtype) if isinstance(size, tuple) else size for size in given]
    with torch.no_grad():
        expected = module.eval()(*inputs)
        again = program_module(extract(module, tuple(inputs)))
        found = again(*inputs[: len(again.program.inputs)])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
