"""From an ONNX graph to a program."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnstruct.errors import CorruptFileError, InvalidInputError, NnstructError
from nnstruct.extract.onnx_fold import check_room, folded
from nnstruct.extract.onnx_nodes import ONNX, OnnxNodes, VisibleNames, dense, needed_names
from nnstruct.extract.onnx_types import NARROW, WIDER, held_type
from nnstruct.extract.onnx_values import Operand, flat
from nnstruct.extract.onnx_versions import VERSIONS, aligned, modern
from nnstruct.program import Program, UnsupportedOperationError

Handler = Callable[["OnnxReader", Any, list[Any], dict[str, Any]], Any]
HANDLERS: dict[str, Handler] = {}
# Read by their handlers also where all operands are constants.
DIRECT: set[str] = set()
_DEPTH = 32
# A few numbers say how much these make.
_GROWING = frozenset({"Expand", "Pad", "Tile", "Resize", "Upsample", "OneHot", "ConstantOfShape", "Range"})


def handles(*names: str, direct: bool = False) -> Callable[[Handler], Handler]:
    """Register the function that lowers some ONNX operators.

    Parameters
    ----------
    *names : str
        Operators; with ``domain:`` before it, where that is not ONNX's own.
    direct : bool
        Whether it also takes operands that are all constants.

    Returns
    -------
    callable
    """

    def register(function: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = function
        if direct:
            DIRECT.update(names)
        return function

    return register


class OnnxReader(OnnxNodes):
    """Reads an ONNX graph node by node; what depends on no input is computed at once.

    Parameters
    ----------
    model : onnx.ModelProto
    tensors : dict of str to array
    shapes : mapping of str to tuple of int
        Shapes of inputs whose sizes are not all in the file.
    on_unsupported : str
    read : callable
        Gives the values of a stored tensor.
    max_bytes : int
        Of all constants together.
    """

    def __init__(
        self,
        model: Any,
        tensors: dict[str, np.ndarray],
        shapes: Mapping[str, Sequence[int]],
        on_unsupported: str,
        read: Callable[[Any], np.ndarray],
        max_bytes: int,
    ) -> None:
        super().__init__(model)
        # What constants that are computed may still take; the stored ones have been counted.
        self._max_bytes = max_bytes
        self._room = max_bytes - sum(value.nbytes for value in tensors.values())
        self.shapes, self.on_unsupported, self.read = shapes, on_unsupported, read
        self.functions = {(own.domain, own.name): own for own in model.functions}
        self.scope.env.update(tensors)
        self.names.update({id(value): name for name, value in tensors.items()})
        self._held.extend(tensors.values())
        # Names of what the file holds in fewer bits than any type that is held here.
        self.narrow = {tensor.name for tensor in model.graph.initializer if tensor.data_type in NARROW}
        self.narrow |= {
            value.name for value in model.graph.input if value.type.tensor_type.elem_type in NARROW
        }
        self.version = 0
        self._depth = 0

    def run(self) -> Program:
        """The program of the whole graph."""
        import onnx

        newest = onnx.defs.onnx_opset_version()
        if self.scope.opsets[""] > newest:
            raise InvalidInputError(
                "opset", f"be at most {newest}, which the installed onnx knows", self.scope.opsets[""]
            )
        graph = self.model.graph
        known = {value.name for value in graph.input}
        for name in self.shapes:
            if name not in known:
                raise InvalidInputError("shapes", f"name inputs among {sorted(known)}", name)
        for sparse in graph.sparse_initializer:
            check_room(sparse.values.name, 8.0 * math.prod(sparse.dims), self._room)
            made = dense(sparse, self.read)
            self._room -= made.nbytes
            self.scope.env[sparse.values.name] = self.keep(made)
        for value in graph.input:
            if value.name not in self.scope.env:
                self.scope.env[value.name] = self._input(value)
        self._nodes(graph.node, {value.name for value in graph.output})
        outputs = [self.look_up(value.name) for value in graph.output]
        if any(isinstance(value, list) or value is None for value in outputs):
            raise UnsupportedOperationError("output", "", "be a tensor")
        if all(isinstance(value, np.ndarray) for value in outputs):
            raise UnsupportedOperationError("output", "", "depend on the input")
        return self.builder.program([self.ref(value) for value in outputs])

    def _input(self, value: Any) -> int:
        if not value.type.HasField("tensor_type"):
            raise UnsupportedOperationError(f"input {value.name!r}", "", "be a tensor")
        kind = value.type.tensor_type
        given = self.shapes.get(value.name)
        dims = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in kind.shape.dim]
        if given is not None and kind.HasField("shape") and len(given) != len(dims):
            raise InvalidInputError("shapes", f"give {len(dims)} sizes for {value.name!r}", tuple(given))
        if given is not None and (
            min(given, default=1) < 1
            or any(size not in (0, own) for size, own in zip(dims[1:], given[1:], strict=False) if size > 0)
        ):
            held = [size if size > 0 else "any" for size in dims]
            raise InvalidInputError("shapes", f"fit {held} of the file for {value.name!r}", tuple(given))
        if given is None and not kind.HasField("shape"):
            raise InvalidInputError(
                "shapes", f"give the sizes of {value.name!r}, which the file leaves open", None
            )
        # A size that is free (a name, nothing, 0 in a dynamic axis or a negative number) is 1.
        free = [not dim.HasField("dim_value") or dim.dim_value < 0 for dim in kind.shape.dim]
        sizes = [1 if is_free else size for size, is_free in zip(dims, free, strict=True)]
        shape = sizes if given is None else [int(size) for size in given]
        dtype = held_type(kind.elem_type)
        if dtype is None:
            raise UnsupportedOperationError(f"input {value.name!r}", "", "hold numbers")
        made = self.builder.add_input(shape, discrete=dtype != "float32")
        if dtype in WIDER:
            made = self.emit("activation", [made], shape, "int64", function="cast", to="int64")
        self.dtype[made] = dtype
        return made

    # ---- graphs in graphs

    def _nodes(self, nodes: Any, wanted: set[str]) -> None:
        needed = needed_names(nodes, wanted)
        for node in nodes:
            if any(name in needed for name in node.output):
                self._call(node)

    def subgraph(self, graph: Any, inputs: Sequence[Operand]) -> list[Operand]:
        """The outputs of a graph that an attribute holds; it sees the names around it.

        Parameters
        ----------
        graph : onnx.GraphProto
        inputs : sequence of operand
            For the graph's own inputs.

        Returns
        -------
        list of operand
        """
        own: dict[str, Any] = {tensor.name: self.keep(self.read(tensor)) for tensor in graph.initializer}
        own.update({value.name: operand for value, operand in zip(graph.input, inputs, strict=False)})
        outer = self.scope
        scope = VisibleNames(ChainMap(own, outer.env), outer.opsets, outer.attributes)
        return self._inside(scope, graph.node, [value.name for value in graph.output])

    def function(self, function: Any, inputs: Sequence[Operand], attributes: dict[str, Any]) -> list[Operand]:
        """The outputs of a function of ONNX or of the model that the node at hand asks for.

        Parameters
        ----------
        function : onnx.FunctionProto
        inputs : sequence of operand
        attributes : dict of str to onnx.AttributeProto

        Returns
        -------
        list of operand
        """
        given = [*inputs, *[None] * len(function.input)]
        env = {name: operand for name, operand in zip(function.input, given, strict=False)}
        known = {own.name: own for own in function.attribute_proto} | attributes
        opsets = {("" if own.domain in ONNX else own.domain): own.version for own in function.opset_import}
        asked = list(zip(function.output, self.node.output, strict=False))
        wanted = [name for name, own in asked if own]
        made = self._inside(VisibleNames(env, {**self.scope.opsets, **opsets}, known), function.node, wanted)
        found = dict(zip(wanted, made, strict=True))
        return [found.get(name) for name, _ in asked]

    def _inside(self, scope: VisibleNames, nodes: Any, outputs: list[str]) -> list[Operand]:
        outer, node, version = self.scope, self.node, self.version
        self._depth += 1
        if self._depth > _DEPTH:
            raise InvalidInputError("graphs", f"be nested at most {_DEPTH} deep", self._depth)
        self.scope = scope
        try:
            self._nodes(nodes, set(outputs))
            return [self.look_up(name) for name in outputs]
        finally:
            self.scope, self.node, self.version = outer, node, version
            self._depth -= 1

    def look_up(self, name: str) -> Operand:
        """What a name stands for.

        Parameters
        ----------
        name : str

        Returns
        -------
        operand

        Raises
        ------
        CorruptFileError
            If nothing has that name.
        """
        if not name:
            return None
        if name not in self.scope.env:
            raise CorruptFileError(f"the ONNX graph reads {name!r}, which nothing before it makes.")
        return self.scope.env[name]

    # ---- one node

    def _call(self, node: Any) -> None:
        self.node = node
        self.builder.where = node.name or self.builder.where
        inputs = [self.look_up(name) for name in node.input]
        made = self._made(node, inputs)
        for name, value in zip(node.output, made if isinstance(made, list) else [made], strict=False):
            if name:
                self.scope.env[name] = value

    def _made(self, node: Any, inputs: list[Operand]) -> Any:
        own = self.functions.get((node.domain, node.op_type))
        if own is not None:
            return self.function(own, inputs, self.own_attributes())
        domain = "" if node.domain in ONNX else node.domain
        key = f"{domain}:{node.op_type}" if domain else node.op_type
        schema = self.schema_of(node, domain)
        if schema is None and not domain:
            return self._unread(
                self.unsupported(f"be an operator of version {self.scope.opsets['']} of ONNX"), None, inputs
            )
        try:
            made = self._handled(node, key, schema, inputs)
        except UnsupportedOperationError as error:
            return self._unread(error, schema, inputs)
        except NnstructError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # What a file says against the rules of an operator shows wherever it is used.
            reason = f"be well formed ({type(error).__name__}: {error})"[:200]
            return self._unread(self.unsupported(reason), schema, inputs)
        return self._checked(schema, node, inputs, made)

    def _handled(self, node: Any, key: str, schema: Any, inputs: list[Operand]) -> Any:
        if schema is not None:
            self.version = schema.since_version
        options, operands = self.attributes(), list(inputs)
        versions = VERSIONS.get(key)
        if versions is not None:
            if self.version not in versions:
                raise self.unsupported(f"be of a version among {versions}")
            operands, options = modern(key, self.version, operands, options)
            operands, options = aligned(self, operands, options)
        moving = any(not isinstance(value, np.ndarray | None) for value in operands)
        if not moving and key not in DIRECT:
            opsets = self.scope.opsets if versions is None else self._newest()
            shapes = [shape for shape, _ in self.inferred(schema, node, inputs)]
            made = folded(node, operands, options, opsets, shapes, self._room)
            self._room -= sum(value.nbytes for value in made)
            return self.kept(made, operands)
        if key in _GROWING:
            for shape, _ in self.inferred(schema, node, inputs):
                if shape is not None and None not in shape:
                    check_room(node.output[0], 8.0 * math.prod(shape), self._max_bytes)
        handler = HANDLERS.get(key)
        if handler is None:
            raise UnsupportedOperationError(node.op_type, node.name)
        return handler(self, node, operands, options)

    def _newest(self) -> dict[str, int]:
        import onnx

        return {**self.scope.opsets, "": onnx.defs.onnx_opset_version()}

    def _unread(self, error: UnsupportedOperationError, schema: Any, inputs: list[Operand]) -> Any:
        """The function that defines the operator, or an opaque step, or the error."""
        node = self.node
        before, self.on_unsupported = self.on_unsupported, "error"
        try:
            narrow = any(name in self.narrow for name in node.input)
            function = None if schema is None or narrow else self.definition(schema, inputs)
            if function is not None:
                return self.function(function, inputs, self.own_attributes(schema))
        except UnsupportedOperationError:
            pass
        finally:
            self.on_unsupported, self.node = before, node
        if self.on_unsupported != "opaque":
            raise error
        return self._opaque(schema, inputs)

    def _opaque(self, schema: Any, inputs: list[Operand]) -> list[Operand]:
        node = self.node
        known = self.inferred(schema, node, inputs)
        shapes = []
        for name, (shape, _) in zip(node.output, known, strict=True):
            found = shape if shape is not None else self.declared_shape(name)
            if found is None and name:
                raise self.unsupported("have outputs whose number of axes is known")
            shapes.append(tuple(1 if size is None else int(size) for size in found or ()))
        read = [value for value in flat(inputs) if isinstance(value, int)]
        made = self.builder.emit("opaque", read, *shapes, options={"operator": f"opaque:{node.op_type}"})
        for value, (_, dtype) in zip(made, known, strict=True):
            self.dtype[value] = dtype or "float32"
        return list(made)

    def _checked(self, schema: Any, node: Any, inputs: list[Operand], made: Any) -> Any:
        """What a handler made, once it has the shapes that the operator's schema says."""
        values = made if isinstance(made, list) else [made]
        known = self.inferred(schema, node, inputs)
        for place, (value, (shape, dtype)) in enumerate(zip(values, known, strict=False)):
            if not isinstance(value, int):
                continue
            own = self.builder.shape[value]
            if shape is not None and (
                len(shape) != len(own)
                or any(b is not None and a != b for a, b in zip(own, shape, strict=True))
            ):
                return self._unread(self.unsupported(f"make a value of the shape {shape}"), schema, inputs)
            self.dtype.setdefault(value, dtype or self.kind(value))
            if place >= len(node.output):
                break
        return made
