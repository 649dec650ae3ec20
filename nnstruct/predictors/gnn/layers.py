"""Rounds of message passing, for all members of an ensemble at once.

With ``u`` the features of the units, normalised over their width, each layer adds ``W a`` to them, where

- ``bidirectional``: ``a = gelu(u Wa + sum over kinds k of A_k u W_k)``; ``A_k`` adds up what messages of a
  kind bring (along edges, against them, along delayed edges, against them), an edge as often as it has
  copies. This is the bidirectional graph convolution in the feed-forward block of NN-Former (Xu et al.,
  2025, arXiv 2507.00880).
- ``gine``: ``a = gelu(((1 + eps) u + sum over messages of relu(u_j + e)) Wa)`` (Hu et al., 2020,
  arXiv 1905.12265), with ``e`` learned for the kind of a message and how many layers it spans.
- ``pna``: ``a = gelu([u, mean, max, min, std of u_j + e, each plain and times log(degree + 1)] Wa)``
  (Corso et al., 2020, arXiv 2004.05718), without the shrinking scaler and the growing one's constant.
- ``attention``: ``a = gelu(u Wa + sum over messages of alpha u_j Wv)``, where ``alpha`` is in each unit the
  softmax of ``leaky_relu(u_i Wq + u_j Wk + e) . q`` (Brody et al., 2022, arXiv 2105.14491), one head.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nnstruct.encode.packed_kernel import KINDS
from nnstruct.predictors.gnn.batches import GraphBatch

LAYERS = ("bidirectional", "gine", "pna", "attention")
_SLOPE = 0.2


def layer_shapes(layer: str, width: int, kinds: int) -> dict[str, tuple[int, ...]]:
    """The arrays of one layer of one member; the first number is what a product sums over, 1 for a shift.

    Parameters
    ----------
    layer : str
        One of ``LAYERS``.
    width : int
    kinds : int
        2 without delayed edges, otherwise 4.

    Returns
    -------
    dict of str to tuple of int
    """
    into = {"bidirectional": ((1 + kinds) * width, width), "gine": (width, width),
            "pna": (9 * width, width), "attention": (width, 4 * width)}[layer]  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"in": into, "in_shift": (1, into[1])}
    if layer != "bidirectional":
        shapes["kind"] = (KINDS, width)
        shapes["span"] = (1, width)
    if layer == "gine":
        shapes["eps"] = (1, 1)
    if layer == "attention":
        shapes["query"] = (width, 1)
    return shapes | {"out": (width, width), "out_shift": (1, width)}


def apply_layer(layer: str, h: Tensor, weights: dict[str, Tensor], batch: GraphBatch, mask: Any) -> Tensor:
    """The units' features after one layer.

    Parameters
    ----------
    layer : str
    h : float32 Tensor [members, N, width]
    weights : dict of str to Tensor
        Those of :func:`layer_shapes` with the members in front.
    batch : GraphBatch
    mask : Tensor [members, N, width] or None
        What dropout multiplies ``a`` by.

    Returns
    -------
    float32 Tensor [members, N, width]
    """
    if layer == "bidirectional" and h.device.type == "cpu":
        parts = [weights[name] for name in ("in", "in_shift", "out", "out_shift")]
        return _Bidirectional.apply(h, *parts, mask, batch)
    u = functional.layer_norm(h, h.shape[-1:])
    a = functional.gelu(_MESSAGES[layer](u, weights, batch), approximate="tanh")
    a = a if mask is None else a * mask
    return h + torch.baddbmm(weights["out_shift"], a, weights["out"])


class _Bidirectional(torch.autograd.Function):
    """A bidirectional layer on the CPU: products by torch, the rest by compiled loops, slopes by hand."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, w: Tensor, b: Tensor, out: Tensor, shift: Tensor, mask: Any, batch: Any):  # type: ignore[no-untyped-def]
        from nnstruct.predictors.gnn import kernels

        h = h.contiguous()
        u, scale = torch.empty_like(h), h.new_empty(h.shape[:2])
        kernels.normalise(h.detach().numpy(), u.numpy(), scale.numpy())
        x = h.new_empty((*h.shape[:2], w.shape[1]))  # [members, N, (1 + kinds) width]
        kernels.gather(u.numpy(), batch.first, batch.sender, batch.copies, x.numpy())
        s, a = torch.bmm(x, w), torch.empty_like(h)
        masks = s if mask is None else mask
        kernels.activate(s.numpy(), b.detach().numpy(), masks.numpy(), mask is not None, a.numpy())
        result = torch.baddbmm(shift, a, out)
        result += h
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(u, scale, x, s, a, w, out, mask)
            ctx.batch = batch
        return result

    @staticmethod
    def backward(ctx: Any, slope: Tensor):  # type: ignore[no-untyped-def]
        from nnstruct.predictors.gnn import kernels

        u, scale, x, s, a, w, out, mask = ctx.saved_tensors
        batch = ctx.batch
        slope = slope.contiguous()
        d_out = torch.bmm(a.transpose(1, 2), slope)
        d_shift = slope.sum(dim=1, keepdim=True)
        d_a = torch.bmm(slope, out.transpose(1, 2))
        d_s, masks = torch.empty_like(s), s if mask is None else mask
        kernels.activate_back(d_a.numpy(), s.numpy(), masks.numpy(), mask is not None, d_s.numpy())
        d_w = torch.bmm(x.transpose(1, 2), d_s)
        d_b = d_s.sum(dim=1, keepdim=True)
        d_x = torch.bmm(d_s, w.transpose(1, 2))
        d_u = torch.empty_like(u)
        kernels.gather_back(d_x.numpy(), batch.first, batch.sender, batch.copies, d_u.numpy())
        d_h = slope.clone()
        kernels.normalise_back(d_u.numpy(), u.numpy(), scale.numpy(), d_h.numpy())
        return d_h, d_w, d_b, d_out, d_shift, None, None


class _ReadOut(torch.autograd.Function):
    """For each graph sum / typical, mean and maximum over its units: [members, B, 3 width]."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, batch: GraphBatch, typical: float) -> Tensor:
        from nnstruct.predictors.gnn import kernels

        members, _, width = h.shape
        h = h.contiguous()
        pooled = h.new_empty((members, len(batch), 3 * width))
        where = np.empty((members, len(batch), width), dtype=np.int64)
        kernels.read_out(h.detach().numpy(), batch.start, typical, pooled.numpy(), where)
        ctx.batch, ctx.typical, ctx.where, ctx.units = batch, typical, where, h.shape[1]
        return pooled

    @staticmethod
    def backward(ctx: Any, slope: Tensor):  # type: ignore[no-untyped-def]
        from nnstruct.predictors.gnn import kernels

        slope = slope.contiguous()
        d_h = slope.new_empty((slope.shape[0], ctx.units, slope.shape[2] // 3))
        kernels.read_out_back(slope.numpy(), ctx.batch.start, ctx.typical, ctx.where, d_h.numpy())
        return d_h, None, None


def read_out(h: Tensor, batch: GraphBatch, typical: float) -> Tensor:
    """Sum / typical, mean and maximum over the units of each graph.

    Parameters
    ----------
    h : float32 Tensor [members, N, width]
    batch : GraphBatch
        Of B graphs.
    typical : float

    Returns
    -------
    float32 Tensor [members, B, 3 width]
    """
    if h.device.type == "cpu":
        return _ReadOut.apply(h, batch, typical)
    index = batch.owner[None, :, None].expand_as(h)
    empty = h.new_zeros((h.shape[0], len(batch), h.shape[2]))
    total = empty.index_add(1, batch.owner, h)
    sizes = torch.bincount(batch.owner, minlength=len(batch))[None, :, None]
    most = empty.scatter_reduce(1, index, h, "amax", include_self=False)
    return torch.cat([total / typical, total / sizes, most], dim=2)


def _bidirectional(u: Tensor, weights: dict[str, Tensor], batch: GraphBatch) -> Tensor:
    sender, receiver, kind, copies = batch.edges
    kinds = weights["in"].shape[1] // u.shape[2] - 1
    parts = [u]
    for k in range(kinds):
        used = kind == k
        brought = u[:, sender[used]] * copies[used][None, :, None]
        parts.append(torch.zeros_like(u).index_add(1, receiver[used], brought))
    return torch.baddbmm(weights["in_shift"], torch.cat(parts, dim=2), weights["in"])


def _labels(weights: dict[str, Tensor], batch: GraphBatch) -> Tensor:
    """What each message says beside its sender's features: [members, M, width]."""
    sender, receiver, kind, _ = batch.edges
    layer = torch.from_numpy(batch.layer).to(sender.device)
    span = torch.log1p((layer[receiver] - layer[sender]).abs().float())
    return weights["kind"][:, kind] + span[None, :, None] * weights["span"]


def _gine(u: Tensor, weights: dict[str, Tensor], batch: GraphBatch) -> Tensor:
    sender, receiver, _, copies = batch.edges
    brought = torch.relu(u[:, sender] + _labels(weights, batch)) * copies[None, :, None]
    return torch.baddbmm(
        weights["in_shift"], ((1.0 + weights["eps"]) * u).index_add(1, receiver, brought), weights["in"]
    )


def _pna(u: Tensor, weights: dict[str, Tensor], batch: GraphBatch) -> Tensor:
    sender, receiver, _, copies = batch.edges
    brought = u[:, sender] + _labels(weights, batch)
    share = copies[None, :, None]
    index = receiver[None, :, None].expand_as(brought)
    empty = torch.zeros_like(u)
    degree = u.new_zeros(u.shape[1]).index_add(0, receiver, copies)[None, :, None]
    count = degree.clamp_min(1.0)
    mean = empty.index_add(1, receiver, brought * share) / count
    squares = empty.index_add(1, receiver, brought**2 * share) / count
    most = empty.scatter_reduce(1, index, brought, "amax", include_self=False)
    least = empty.scatter_reduce(1, index, brought, "amin", include_self=False)
    spread = torch.sqrt((squares - mean**2).clamp_min(0.0) + 1e-5)
    found = torch.cat([mean, most, least, spread], dim=2)
    return torch.baddbmm(
        weights["in_shift"], torch.cat([u, found, found * torch.log1p(degree)], dim=2), weights["in"]
    )


def _attention(u: Tensor, weights: dict[str, Tensor], batch: GraphBatch) -> Tensor:
    sender, receiver, _, copies = batch.edges
    z = torch.baddbmm(weights["in_shift"], u, weights["in"])
    own, value, query, key = z.chunk(4, dim=2)
    pair = functional.leaky_relu(query[:, receiver] + key[:, sender] + _labels(weights, batch), _SLOPE)
    score = torch.bmm(pair, weights["query"])[..., 0]  # [members, M]
    index = receiver[None].expand_as(score)
    empty = u.new_zeros(u.shape[:2])
    most = empty.scatter_reduce(1, index, score.detach(), "amax", include_self=False)
    raised = torch.exp(score - most[:, receiver]) * copies
    total = empty.index_add(1, receiver, raised)
    share = raised / total[:, receiver].clamp_min(1e-12)
    return own.index_add(1, receiver, share[..., None] * value[:, sender])


_MESSAGES = {"bidirectional": _bidirectional, "gine": _gine, "pna": _pna, "attention": _attention}
