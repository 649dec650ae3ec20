"""How each ONNX operator becomes steps of a program; importing the package registers all of them."""

from nnstruct.extract.onnx_operators import (
    control,
    elementwise,
    indexing,
    moves,
    norms,
    quantised,
    recurrent,
    reductions,
    resize,
    weights,
)

__all__ = [
    "control",
    "elementwise",
    "indexing",
    "moves",
    "norms",
    "quantised",
    "recurrent",
    "reductions",
    "resize",
    "weights",
]
