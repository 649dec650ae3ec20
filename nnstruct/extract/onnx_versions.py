"""Which versions of each ONNX operator are read, and each version in the form of the newest one.

An operator's meaning and its defaults belong to a version; a model declares the operator set that it
was written for, and the version in force is the newest one that this set holds. The handlers read one
form of each operator only: :func:`modern` moves what older versions say (attributes that became inputs,
other defaults, one-sided broadcasting) into it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnstruct.extract.onnx_values import OnnxValues

Inputs = list[Any]
Options = dict[str, Any]
Upgrade = Callable[[int, Inputs, Options], None]

# Versions that are read; operators that are left out are read through the functions that define them.
_READ = """
Abs 1 6 13; Acos 7 22; Acosh 9 22; Add 1 6 7 13 14; And 1 7; ArgMax 1 11 12 13; ArgMin 1 11 12 13;
Asin 7 22; Asinh 9 22; Atan 7 22; Atanh 9 22; AveragePool 1 7 10 11 19 22;
BatchNormalization 1 6 7 9 14 15; BitShift 11 28; BitwiseAnd 18; BitwiseNot 18; BitwiseOr 18;
BitwiseXor 18; Cast 1 6 9 13 19 21 23 24 25 28; CastLike 15 19 21 23 24 25; Ceil 1 6 13; Celu 12 28;
Clip 1 6 11 12 13; Col2Im 18; Compress 9 11 28; Concat 1 4 11 13; ConcatFromSequence 11; Conv 1 11 22;
ConvInteger 10; ConvTranspose 1 11 22; Cos 7 22; Cosh 9 22; CumProd 26; CumSum 11 14; DFT 17 20;
DepthToSpace 1 11 13 28; DequantizeLinear 10 13 19 21 23 24 25 28; Det 11 22; Div 1 6 7 13 14;
Dropout 1 6 7 10 12 13 22; DynamicQuantizeLinear 11; Einsum 12 28; Elu 1 6 22; Equal 1 7 11 13 19;
Erf 9 13; Exp 1 6 13; Expand 8 13; EyeLike 9 22; Flatten 1 9 11 13 21 23 24 25; Floor 1 6 13;
GRU 1 3 7 14 22; Gather 1 11 13; GatherElements 11 13; GatherND 11 12 13; Gelu 20; Gemm 1 6 7 9 11 13;
GlobalAveragePool 1 22; GlobalLpPool 1 2 22; GlobalMaxPool 1 22; Greater 1 7 9 13;
GreaterOrEqual 12 16; GridSample 16 20 22; GroupNormalization 18 21; HardSigmoid 1 6 22;
HardSwish 14 22; Hardmax 1 11 13; Identity 1 13 14 16 19 21 23 24 25; If 1 11 13 16 19 21 23 24 25;
InstanceNormalization 1 6 22; IsInf 10 20; IsNaN 9 13 20; LRN 1 13; LSTM 1 7 14 22;
LayerNormalization 17; LeakyRelu 1 6 16; Less 1 7 9 13; LessOrEqual 12 16; Log 1 6 13;
LogSoftmax 1 11 13; Loop 1 11 13 16 19 21 23 24 25; LpNormalization 1 22; LpPool 1 2 11 18 22;
MatMul 1 9 13; MatMulInteger 10; Max 1 6 8 12 13; MaxPool 1 8 10 11 12 22; MaxUnpool 9 11 22;
Mean 1 6 8 13; Min 1 6 8 12 13; Mish 18 22; Mod 10 13 28; Mul 1 6 7 13 14; Neg 1 6 13; Not 1;
OneHot 9 11 28; Optional 15 28; OptionalGetElement 15 18 28; OptionalHasElement 15 18 28; Or 1 7;
PRelu 1 6 7 9 16; Pad 1 2 11 13 18 19 21 23 24 25; Pow 1 7 12 13 15; QLinearConv 10;
QLinearMatMul 10 21; QuantizeLinear 10 13 19 21 23 24 25 28; RMSNormalization 23; RNN 1 7 14 22;
Reciprocal 1 6 13; ReduceL1 1 11 13 18; ReduceL2 1 11 13 18; ReduceLogSum 1 11 13 18 28;
ReduceLogSumExp 1 11 13 18 28; ReduceMax 1 11 12 13 18 20; ReduceMean 1 11 13 18;
ReduceMin 1 11 12 13 18 20; ReduceProd 1 11 13 18; ReduceSum 1 11 13; ReduceSumSquare 1 11 13 18;
Relu 1 6 13 14; Reshape 1 5 13 14 19 21 23 24 25; Resize 10 11 13 18 19; ReverseSequence 10 28;
RoiAlign 10 16 22; Round 11 22; Scan 9 11 16 19 21 23 24 25; Scatter 9 11;
ScatterElements 11 13 16 18; ScatterND 11 13 16 18; Selu 1 6 22; SequenceAt 11; SequenceConstruct 11;
SequenceEmpty 11; SequenceErase 11; SequenceInsert 11; SequenceLength 11; Shape 1 13 15 19 21 23 24 25;
Shrink 9; Sigmoid 1 6 13; Sign 9 13; Sin 7 22; Sinh 9 22; Size 1 13 19 21 23 24 25; Slice 1 10 11 13;
Softmax 1 11 13; Softplus 1 22; Softsign 1 22; SpaceToDepth 1 13 28; Split 1 2 11 13 18;
SplitToSequence 11 24; Sqrt 1 6 13; Squeeze 1 11 13 21 23 24 25; Sub 1 6 7 13 14; Sum 1 6 8 13;
Swish 24; Tan 7 22; Tanh 1 6 13; ThresholdedRelu 10 22; Tile 1 6 13; TopK 1 10 11 24;
Transpose 1 13 21 23 24 25; Trilu 14; Unsqueeze 1 11 13 21 23 24 25; Upsample 1 7 9 10; Where 9 16;
Xor 1 7
"""
VERSIONS: dict[str, tuple[int, ...]] = {
    name: tuple(int(version) for version in versions)
    for name, *versions in (entry.split() for entry in _READ.split(";"))
}


def modern(name: str, version: int, inputs: Inputs, options: Options) -> tuple[Inputs, Options]:
    """Operands and attributes of an operator, as its newest version writes them.

    Parameters
    ----------
    name : str
        The operator.
    version : int
        The version that is in force.
    inputs : list
        Constants as arrays; None for what is left out.
    options : dict
        Attributes that the node gives.

    Returns
    -------
    list, dict
        New ones.

    Examples
    --------
    >>> inputs, options = modern("Unsqueeze", 1, [3], {"axes": [0, 2]})
    >>> inputs[1].tolist(), options
    ([0, 2], {})
    """
    inputs, options = list(inputs), dict(options)
    options.pop("consumed_inputs", None)
    for until, upgrade in _UPGRADES.get(name, ()):
        if version < until:
            upgrade(version, inputs, options)
    return inputs, options


def aligned(reader: OnnxValues, inputs: Inputs, options: Options) -> tuple[Inputs, Options]:
    """Operands in the shapes that the newest version of the operator broadcasts.

    Parameters
    ----------
    reader : OnnxValues
    inputs : list of operand
    options : dict
        Both as :func:`modern` gives them.

    Returns
    -------
    list, dict
    """
    if "right_axis" in options:
        axis = options.pop("right_axis") % max(len(reader.shape(inputs[0])), 1)
        own = reader.shape(inputs[1])
        inputs[1] = reader.reshaped(
            inputs[1], (*own, *[1] * (len(reader.shape(inputs[0])) - axis - len(own)))
        )
    if options.pop("by_channel", False) and len(reader.shape(inputs[1])) == 1:
        ndim = len(reader.shape(inputs[0]))
        inputs[1] = reader.reshaped(inputs[1], (*reader.shape(inputs[1]), *[1] * max(ndim - 2, 0)))
    if options.pop("one_axis", False):
        repeats = np.ones(len(reader.shape(inputs[0])), dtype=np.int64)
        tiles, axis = (int(np.ravel(reader.constant(v, "have constant sizes"))[0]) for v in inputs[1:3])
        repeats[axis] = tiles
        inputs[1:] = [repeats]
    if options.pop("by_group", False):
        channels = reader.shape(inputs[0])[1] // int(options["num_groups"])
        inputs[1:3] = [
            reader.keep(np.repeat(reader.constant(v, "have constant scales"), channels)) for v in inputs[1:3]
        ]
    return inputs, options


def _put(inputs: Inputs, place: int, value: Any, dtype: Any = np.int64) -> None:
    inputs.extend([None] * (place + 1 - len(inputs)))
    inputs[place] = np.asarray(value, dtype=dtype)


def _as_inputs(dtype: Any, *names: str) -> Upgrade:
    """Attributes that became the inputs from the second on."""

    def upgrade(version: int, inputs: Inputs, options: Options) -> None:
        for place, name in enumerate(names, start=1):
            if name in options:
                _put(inputs, place, options.pop(name), dtype)

    return upgrade


def _default(**values: Any) -> Upgrade:
    def upgrade(version: int, inputs: Inputs, options: Options) -> None:
        for name, value in values.items():
            options.setdefault(name, value)

    return upgrade


def _one_sided(version: int, inputs: Inputs, options: Options) -> None:
    """Until version 7 the second operand's axes stand from ``axis`` on, if it is broadcast at all."""
    axis = options.pop("axis", None)
    if options.pop("broadcast", 0) and axis is not None:
        options["right_axis"] = int(axis)


def _pads(version: int, inputs: Inputs, options: Options) -> None:
    if "paddings" in options:
        options["pads"] = options.pop("paddings")
    _put(inputs, 2, options.pop("value", 0.0), np.float32)
    if "pads" in options:
        _put(inputs, 1, options.pop("pads"))


def _tile(version: int, inputs: Inputs, options: Options) -> None:
    options["one_axis"] = True


def _upsample(version: int, inputs: Inputs, options: Options) -> None:
    if "height_scale" in options or "width_scale" in options:
        scales = [1.0, 1.0, options.pop("height_scale", 1.0), options.pop("width_scale", 1.0)]
        options["scales"] = scales
    if "scales" in options:
        _put(inputs, 1, options.pop("scales"), np.float32)


def _resize(version: int, inputs: Inputs, options: Options) -> None:
    inputs.insert(1, None)
    options.setdefault("coordinate_transformation_mode", "asymmetric")
    options.setdefault("nearest_mode", "floor")


_TYPES = {
    "FLOAT": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "STRING": 8,
    "BOOL": 9, "FLOAT16": 10, "DOUBLE": 11, "UINT32": 12, "UINT64": 13,
}  # fmt: skip


def _named_type(version: int, inputs: Inputs, options: Options) -> None:
    if isinstance(options.get("to"), str):
        options["to"] = _TYPES.get(options["to"].upper(), options["to"])


def _sampled(version: int, inputs: Inputs, options: Options) -> None:
    given = options.get("mode", "bilinear")
    options["mode"] = {"bilinear": "linear", "bicubic": "cubic"}.get(given, given)


def _fourier(version: int, inputs: Inputs, options: Options) -> None:
    _put(inputs, 2, options.pop("axis", 1))


_AXES = _as_inputs(np.int64, "axes")
_LEGACY = ((7, _one_sided),)
_UPGRADES: dict[str, tuple[tuple[int, Upgrade], ...]] = {
    **{
        name: _LEGACY
        for name in ("Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Less", "Greater")
    },
    **{
        f"Reduce{name}": ((18, _AXES),)
        for name in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
    },
    **{name: ((13, _default(axis=1, flatten=True)),) for name in ("Softmax", "LogSoftmax", "Hardmax")},
    "ReduceSum": ((13, _AXES),),
    "Squeeze": ((13, _AXES),),
    "Unsqueeze": ((13, _AXES),),
    "Slice": ((10, _as_inputs(np.int64, "starts", "ends", "axes")),),
    "Split": ((13, _as_inputs(np.int64, "split")),),
    "Clip": ((11, _as_inputs(np.float32, "min", "max")),),
    "TopK": ((10, _as_inputs(np.int64, "k")),),
    "Reshape": ((5, _as_inputs(np.int64, "shape")),),
    "Pad": ((11, _pads),),
    "Tile": ((6, _tile),),
    "Concat": ((4, _default(axis=1)),),
    "Upsample": ((9, _upsample),),
    "Resize": ((11, _resize),),
    "Cast": ((6, _named_type),),
    "PRelu": ((7, _default(by_channel=True)),),
    "BatchNormalization": ((7, _default(is_test=0)),),
    "GroupNormalization": ((21, _default(by_group=True)),),
    "GridSample": ((20, _sampled),),
    "RoiAlign": ((16, _default(coordinate_transformation_mode="output_half_pixel")),),
    "DFT": ((20, _fourier),),
}
