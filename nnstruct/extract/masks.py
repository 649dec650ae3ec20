"""Inputs that say where a module looks, and not what it sees: masks, lengths and neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from nnstruct.extract.aten_graph import leaves
from nnstruct.extract.capture import Captured

# What gives an integer a meaning of its own: tables of symbols, and weights that it is multiplied by.
_READING = frozenset(
    {
        "embedding", "embedding_bag", "_embedding_bag", "one_hot", "linear", "addmm", "matmul", "mm", "bmm",
        "mv", "baddbmm", "einsum", "conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d",
        "conv_transpose2d", "conv_transpose3d", "lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell",
        "gru_cell", "rnn_tanh_cell", "rnn_relu_cell", "layer_norm", "batch_norm", "group_norm",
        "instance_norm", "rms_norm", "bilinear", "prelu",
    }
)  # fmt: skip
# These read a table where the table is a constant.
_PICKING = frozenset({"index", "index_select", "gather", "take", "take_along_dim"})
_SCALING = frozenset({"mul", "multiply"})


def fix_masks(captured: Captured) -> Captured:
    """Make constants of the inputs that only mask.

    An integer or boolean input masks where no layer with weights and no table of symbols reads it before
    it meets another input: attention masks, lengths of sequences, the edges of a graph. What the network
    computes then holds for the example's masks. A module with no other input keeps them all.

    Parameters
    ----------
    captured : Captured
        With the example's values.

    Returns
    -------
    Captured
        The same graph, with fewer inputs where some mask.
    """
    candidates = [node for node in captured.inputs if _is_discrete(captured.given.get(node))]
    masks = _masking(captured, candidates)
    if not masks or len(masks) == len(captured.inputs):
        return captured
    known = {**captured.known, **{node: captured.given[node] for node in masks}}
    inputs = [node for node in captured.inputs if node not in masks]
    return Captured(captured.graph, known, captured.names, inputs, captured.given)


def _is_discrete(value: Tensor | None) -> bool:
    return value is not None and not (value.is_floating_point() or value.is_complex())


def _masking(captured: Captured, candidates: list[fx.Node]) -> set[fx.Node]:
    """The candidates that mask; which are left may depend on those that are none."""
    masks = set(candidates)
    while masks:
        read = _read(captured, masks)
        if not read:
            return masks
        masks -= read
    return masks


def _read(captured: Captured, masks: set[fx.Node]) -> set[fx.Node]:
    """Those of some inputs whose numbers are read, as long as no other input joins them."""
    behind: dict[fx.Node, set[fx.Node]] = {node: {node} for node in masks}
    others = set(captured.inputs) - masks
    moving = set(others)
    read: set[fx.Node] = set()
    for node in captured.graph.nodes:
        if node.op != "call_function":
            continue
        found = _read_by(captured, node, behind)
        read |= found
        reaching = {mask for before in node.all_input_nodes for mask in behind.get(before, ())}
        if found or moving.intersection(node.all_input_nodes):
            moving.add(node)  # from here on it is what the network sees
        elif reaching:
            behind[node] = reaching
    return read


def _read_by(captured: Captured, node: fx.Node, behind: dict[fx.Node, set[fx.Node]]) -> set[fx.Node]:
    """The masks whose numbers a node reads."""
    name = str(node.target).split(".")[1:2]
    operands = [leaf for leaf in leaves((node.args, node.kwargs)) if isinstance(leaf, fx.Node)]
    if ".data" in str(node.target):  # sizes of a packed sequence
        operands = [leaf for leaf in operands if leaf is not node.args[1]]
    weights = [leaf for leaf in operands if _is_weight(captured.known.get(leaf))]
    if not name or not weights:
        return set()
    takes = name[0] in _PICKING and operands[0] in weights
    scales = name[0] in _SCALING and any(
        isinstance(captured.known.get(leaf), nn.Parameter) for leaf in weights
    )
    if not (name[0] in _READING or takes or scales):
        return set()
    return {mask for leaf in operands for mask in behind.get(leaf, ())}


def _is_weight(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype in (
        torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.qint8,
    )  # fmt: skip
