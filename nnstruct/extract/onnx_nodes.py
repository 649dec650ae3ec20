"""What a node of an ONNX graph says about itself: attributes, schema, the types of what it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnstruct.extract.onnx_types import made_by, type_of
from nnstruct.extract.onnx_values import OnnxValues, Operand

ONNX = ("", "ai.onnx")


@dataclass
class VisibleNames:
    """Names that a graph or a function can see.

    Attributes
    ----------
    env : mapping of str to operand
    opsets : dict of str to int
    attributes : dict of str to onnx.AttributeProto
        What a function was called with.
    """

    env: Any
    opsets: dict[str, int]
    attributes: dict[str, Any] = field(default_factory=dict)


class OnnxNodes(OnnxValues):
    """The graph or function at hand, with the names that it can see.

    Parameters
    ----------
    model : onnx.ModelProto
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        opsets = {("" if own.domain in ONNX else own.domain): own.version for own in model.opset_import}
        self.scope = VisibleNames({}, {"": 1, **opsets})
        self._declared: dict[str, tuple[int, ...]] | None = None

    def schema_of(self, node: Any, domain: str) -> Any:
        """The schema of the operator's version that is in force; None where onnx knows none.

        Parameters
        ----------
        node : onnx.NodeProto
        domain : str

        Returns
        -------
        onnx.defs.OpSchema or None
        """
        import onnx

        version = self.scope.opsets.get(domain)
        if version is None:
            return None
        try:
            return onnx.defs.get_schema(node.op_type, version, domain)
        except onnx.defs.SchemaError:
            return None

    def definition(self, schema: Any, inputs: list[Operand]) -> Any:
        """The function that ONNX defines the operator at hand by; None where it is defined by none.

        Parameters
        ----------
        schema : onnx.defs.OpSchema
        inputs : list of operand

        Returns
        -------
        onnx.FunctionProto or None
        """
        import onnx

        opset = self.scope.opsets[""]
        if schema.has_function:
            versions, get = schema.function_opset_versions, schema.get_function_with_opset_version
            arguments: tuple[Any, ...] = ()
        elif schema.has_context_dependent_function:
            versions = schema.context_dependent_function_opset_versions
            get = schema.get_context_dependent_function_with_opset_version
            types = [self.proto_of(value) for value in inputs]
            plain = onnx.NodeProto()
            plain.CopyFrom(self.node)
            del plain.attribute[:]
            plain.attribute.extend(self.own_attributes(schema).values())
            arguments = (
                plain.SerializeToString(),
                [b"" if kind is None else kind.SerializeToString() for kind in types],
            )
        else:
            return None
        fitting = [version for version in versions if version <= opset] or [min(versions)]
        body = get(max(fitting), *arguments)
        return onnx.FunctionProto.FromString(body) if body else None

    def declared_shape(self, name: str) -> tuple[int, ...] | None:
        """What the file itself says of a value that no schema tells about.

        Parameters
        ----------
        name : str

        Returns
        -------
        tuple of int, or None
            Sizes with a name are those that an input of the network has there; others that are left open
            are 1. None where the file says nothing.
        """
        if self._declared is None:
            self._declared = {}
            graph = self.model.graph
            known: dict[str, int] = {}
            for value in graph.input:
                operand = self.scope.env.get(value.name)
                sizes = self.shape(operand) if isinstance(operand, int) else ()
                for dim, size in zip(value.type.tensor_type.shape.dim, sizes, strict=False):
                    known.setdefault(dim.dim_param, size)
            known.pop("", None)
            for value in [*graph.value_info, *graph.output]:
                if value.type.tensor_type.HasField("shape"):
                    dims = value.type.tensor_type.shape.dim
                    self._declared[value.name] = tuple(
                        known.get(dim.dim_param, max(dim.dim_value, 1)) for dim in dims
                    )
        return self._declared.get(name)

    def proto_of(self, value: Operand) -> Any:
        """The type of a value or constant; None for sequences, strings and what is left out.

        Parameters
        ----------
        value : operand

        Returns
        -------
        onnx.TypeProto or None
        """
        if isinstance(value, int):
            return type_of(self.builder.shape[value], self.kind(value))
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            return type_of(value.shape, value.dtype.name if value.dtype.kind != "f" else "float32")
        return None

    def inferred(self, schema: Any, node: Any, inputs: list[Operand]) -> list[Any]:
        """Shape and type of what a node makes, as :func:`nnstruct.extract.onnx_types.made_by` tells them.

        Parameters
        ----------
        schema : onnx.defs.OpSchema or None
        node : onnx.NodeProto
        inputs : list of operand

        Returns
        -------
        list of (tuple or None, str or None)
        """
        types = {
            name: kind
            for name, value in zip(node.input, inputs, strict=False)
            if name and (kind := self.proto_of(value)) is not None
        }
        if schema is None or any(isinstance(value, list) for value in inputs):
            return [(None, None)] * len(node.output)
        constants = {
            name: value
            for name, value in zip(node.input, inputs, strict=False)
            if isinstance(value, np.ndarray)
        }
        plain = node
        if self.scope.attributes and any(own.ref_attr_name for own in node.attribute):
            import onnx

            plain = onnx.NodeProto()
            plain.CopyFrom(node)
            del plain.attribute[:]
            plain.attribute.extend(self.own_attributes().values())
        return made_by(schema, plain, types, constants, self.scope.opsets)

    def own_attributes(self, schema: Any = None) -> dict[str, Any]:
        """The node's attributes, with those that it passes on from its function.

        Parameters
        ----------
        schema : onnx.defs.OpSchema, optional
            Gives the defaults of those that are left out.

        Returns
        -------
        dict of str to onnx.AttributeProto
        """
        import onnx

        found = {}
        for attribute in self.node.attribute:
            if attribute.ref_attr_name:
                given = self.scope.attributes.get(attribute.ref_attr_name)
                if given is None:
                    continue
                own = onnx.AttributeProto()
                own.CopyFrom(given)
                own.name = attribute.name
                attribute = own
            found[attribute.name] = attribute
        if schema is not None:
            for name, attribute in schema.attributes.items():
                if name not in found and attribute.default_value.name:
                    found[name] = attribute.default_value
        return found

    def attributes(self) -> dict[str, Any]:
        """Attributes of the node at hand."""
        from onnx.helper import get_attribute_value

        found = {name: get_attribute_value(own) for name, own in self.own_attributes().items()}
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def dense(sparse: Any, read: Callable[[Any], np.ndarray]) -> np.ndarray:
    """A sparse tensor of a file with its zeros.

    Parameters
    ----------
    sparse : onnx.SparseTensorProto
    read : callable
        Gives the values of a stored tensor.

    Returns
    -------
    array
    """
    values, indices = read(sparse.values), np.asarray(read(sparse.indices))
    dense = np.zeros(tuple(sparse.dims), dtype=values.dtype)
    if indices.ndim == 1:
        dense.reshape(-1)[indices] = values
    else:
        dense[tuple(indices.T)] = values
    return dense


def _inner_reads(node: Any) -> set[str]:
    """Names that the graphs in a node's attributes read."""
    found: set[str] = set()
    for attribute in node.attribute:
        for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            found.update(value.name for value in graph.output)
            for inner in graph.node:
                found.update(inner.input)
                found |= _inner_reads(inner)
    return found


def needed_names(nodes: Any, wanted: set[str]) -> set[str]:
    """Names that some names depend on.

    Parameters
    ----------
    nodes : sequence of onnx.NodeProto
        In the order in which they run.
    wanted : set of str

    Returns
    -------
    set of str
        With those that are wanted.
    """
    needed = set(wanted)
    for node in reversed(nodes):
        if any(name in needed for name in node.output):
            needed.update(node.input)
            needed |= _inner_reads(node)
    return needed
