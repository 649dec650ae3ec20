"""From an ONNX graph to a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.extract.builder import Builder
from nnstruct.program import Program, UnsupportedOperationError

# A value of the program (int) or a constant (array).
Operand = int | np.ndarray
Handler = Callable[["OnnxReader", Any, list[Any], dict[str, Any]], Any]
HANDLERS: dict[str, Handler] = {}
_MAX_FOLDED = 2**28
# Operators that are computed where all their operands are constants.
_FOLDED = frozenset(
    {
        "Constant", "ConstantOfShape", "Shape", "Size", "Cast", "Identity", "Gather", "Concat", "Slice",
        "Split",
        "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Tile", "Range", "Where",
        "Equal",
        "Less", "Greater", "Not", "And", "Or", "Add", "Sub", "Mul", "Div", "Neg", "Abs", "Sqrt", "Pow", "Exp",
        "Reciprocal", "Min", "Max", "Floor", "Ceil", "Mod", "MatMul", "ReduceSum", "ReduceMean", "ReduceProd",
        "Trilu", "Sigmoid", "Tanh", "Relu", "Softmax", "ScatterND", "Sin", "Cos",
    }
)  # fmt: skip


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register the function that lowers some ONNX operators."""

    def register(function: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = function
        return function

    return register


class OnnxReader:
    """Reads an ONNX graph node by node; what depends on no input is computed at once.

    Parameters
    ----------
    model : onnx.ModelProto
    tensors : dict of str to array
    shapes : mapping of str to tuple of int
        Shapes of inputs whose sizes are not all in the file.
    on_unsupported : str
    """

    def __init__(
        self,
        model: Any,
        tensors: dict[str, np.ndarray],
        shapes: Mapping[str, Sequence[int]],
        on_unsupported: str,
    ) -> None:
        self.model, self.shapes, self.on_unsupported = model, shapes, on_unsupported
        self.builder = Builder()
        self.env: dict[str, Any] = dict(tensors)
        self.names = {id(value): name for name, value in tensors.items()}
        self.node: Any = None
        self._held: list[np.ndarray] = []

    def run(self) -> Program:
        """The program of the whole graph."""
        graph = self.model.graph
        known = {value.name for value in graph.input}
        for name in self.shapes:
            if name not in known:
                raise InvalidInputError("shapes", f"name inputs among {sorted(known)}", name)
        for value in graph.input:
            if value.name not in self.env:
                self.env[value.name] = self._input(value)
        needed = _needed(graph)
        for node in graph.node:
            if any(name in needed for name in node.output):
                self._call(node)
        outputs = [self.env[value.name] for value in graph.output]
        moving = [value for value in outputs if isinstance(value, int)]
        if not moving:
            raise UnsupportedOperationError("output", "", "depend on the input")
        return self.builder.program(moving)

    def _input(self, value: Any) -> int:
        import onnx

        kind = value.type.tensor_type
        shape = []
        given = self.shapes.get(value.name)
        if given is not None and len(given) != len(kind.shape.dim):
            raise InvalidInputError(
                "shapes", f"give {len(kind.shape.dim)} sizes for {value.name!r}", tuple(given)
            )
        for place, dim in enumerate(kind.shape.dim):
            size = dim.dim_value if dim.HasField("dim_value") else 1
            shape.append(int(given[place]) if given is not None else size)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        return self.builder.add_input(shape, discrete=dtype.kind in "iub")

    def _call(self, node: Any) -> None:
        self.node = node
        self.builder.where = node.name
        inputs = [self.env[name] if name else None for name in node.input]
        if not any(isinstance(value, int) for value in inputs):
            made: Any = self._fold(node, inputs)
        elif node.op_type == "Shape":
            shape = np.array(self.shape(inputs[0]), dtype=np.int64)
            options = self.attributes()
            made = [shape[slice(options.get("start", 0), options.get("end"))]]
        else:
            made = self._lower(node, inputs)
        for name, value in zip(node.output, made if isinstance(made, list) else [made], strict=False):
            if name:
                self.env[name] = value

    def _lower(self, node: Any, inputs: list[Any]) -> Any:
        handler = HANDLERS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        try:
            if handler is None:
                raise UnsupportedOperationError(node.op_type, node.name)
            return handler(self, node, inputs, self.attributes())
        except UnsupportedOperationError:
            if self.on_unsupported != "opaque":
                raise
        shape = self._inferred_shape(node.output[0])
        read = [value for value in inputs if isinstance(value, int)]
        return self.builder.one("opaque", read, shape, options={"operator": f"opaque:{node.op_type}"})

    def _inferred_shape(self, name: str) -> tuple[int, ...]:
        import onnx

        inferred = onnx.shape_inference.infer_shapes(self.model)
        for value in [*inferred.graph.value_info, *inferred.graph.output]:
            if value.name == name:
                return tuple(dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim)
        raise UnsupportedOperationError(self.node.op_type, self.node.name, "have a known output shape")

    def _fold(self, node: Any, inputs: list[Any]) -> list[np.ndarray]:
        from onnx.reference import ReferenceEvaluator

        if node.op_type in ("Constant", "ConstantOfShape") and any(
            attribute.HasField("t") and attribute.t.data_location for attribute in node.attribute
        ):
            raise UnsupportedOperationError(node.op_type, node.name, "hold its value in the file")
        named = {name: value for name, value in zip(node.input, inputs, strict=True) if name}
        self._limit(node, inputs)
        made = [np.asarray(value) for value in ReferenceEvaluator(node).run(None, named)]
        sources = [value for value in inputs if value is not None and self.names.get(id(value))]
        for value in made:
            self._held.append(value)
            if sources:
                self.names[id(value)] = self.names[id(sources[0])]
        return made

    def _limit(self, node: Any, inputs: list[Any]) -> None:
        """Refuse what could take any amount of time or memory before it is computed."""
        if node.op_type not in _FOLDED or node.domain not in ("", "ai.onnx"):
            raise UnsupportedOperationError(node.op_type, node.name, "read an input of the network")
        size = 0.0
        if node.op_type in ("ConstantOfShape", "Expand", "Tile"):
            size = float(np.prod(np.maximum(np.ravel(inputs[-1]).astype(np.float64), 1)))
            size *= np.asarray(inputs[0]).size if node.op_type == "Tile" else 1
        elif node.op_type == "Range":
            start, stop, step = (float(np.ravel(value)[0]) for value in inputs)
            size = abs(stop - start) / max(abs(step), 1e-30)
        if size > _MAX_FOLDED:
            raise InvalidInputError(
                f"constant {node.output[0]!r}", f"have at most {_MAX_FOLDED:,} elements", size
            )

    # ---- what the handlers use

    def attributes(self) -> dict[str, Any]:
        """Attributes of the node at hand."""
        from onnx.helper import get_attribute_value

        found = {attribute.name: get_attribute_value(attribute) for attribute in self.node.attribute}
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}

    def unsupported(self, reason: str) -> UnsupportedOperationError:
        """An error to raise that names the operator and the node at hand.

        Parameters
        ----------
        reason : str
            What the operator must do, worded to follow "must".

        Returns
        -------
        UnsupportedOperationError
        """
        return UnsupportedOperationError(self.node.op_type, self.node.name, reason)

    def shape(self, value: Any) -> tuple[int, ...]:
        """The shape of a value or constant.

        Parameters
        ----------
        value : int or array
            A value's number, or a constant.

        Returns
        -------
        tuple of int
        """
        return self.builder.shape[value] if isinstance(value, int) else value.shape

    def named(self, value: Any, default: str = "constant") -> tuple[str, np.ndarray]:
        """Name and values of a constant.

        Parameters
        ----------
        value : array
        default : str
            What to call it where the file has no name for it.

        Returns
        -------
        (str, array)
            Numbers as float32; booleans as they are.
        """
        name = self.names.get(id(value), default)
        array = np.asarray(value)
        return name, array.astype(
            np.float32
        ) if array.dtype.kind in "fiu" and array.dtype != np.float32 else array

    def maybe(self, value: Any, default: str) -> tuple[str, np.ndarray] | None:
        """As :meth:`named`, for an operand that may be left out.

        Parameters
        ----------
        value : array or None
        default : str
            What to call it where the file has no name for it.

        Returns
        -------
        (str, array) or None
        """
        return None if value is None else self.named(value, default)

    def ref(self, value: Operand) -> int:
        """The number of a value; a constant becomes a step of its own.

        Parameters
        ----------
        value : int or array
            A value's number, or a constant.

        Returns
        -------
        int
        """
        if isinstance(value, int):
            return value
        named = self.named(value)
        return self.builder.one("constant", [], named[1].shape, tensors={"value": named})

    def constant(self, value: Any, reason: str) -> np.ndarray:
        """A constant operand, where the operator needs one.

        Parameters
        ----------
        value : int, array or None
            The operand: a value's number, a constant, or None where it is left out.
        reason : str
            What the operator must do, worded to follow "must"; for the error.

        Returns
        -------
        array

        Raises
        ------
        UnsupportedOperationError
            If the operand is left out or depends on an input of the network.
        """
        if value is None or isinstance(value, int):
            raise self.unsupported(reason)
        return np.asarray(value)


def _needed(graph: Any) -> set[str]:
    needed = {value.name for value in graph.output}
    for node in reversed(graph.node):
        if any(name in needed for name in node.output):
            needed.update(node.input)
    return needed
