"""From a graph of ATen operations to a program."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from nnstruct.extract.aten_graph import (
    ComplexRef,
    Ref,
    draws,
    is_mutable,
    leaves,
    needed_nodes,
    shape_of,
    submodule_of,
)
from nnstruct.extract.builder import Builder
from nnstruct.extract.capture import Captured
from nnstruct.extract.inlined import INLINED, decomposed, inlined
from nnstruct.extract.loops import Loops
from nnstruct.extract.writes import write_back
from nnstruct.program import Program, UnsupportedOperationError

Handler = Callable[..., Any]
HANDLERS: dict[str, Handler] = {}
COMPLEX_HANDLERS: dict[str, Handler] = {}


def handles(*names: str, values: str = "real") -> Callable[[Handler], Handler]:
    """Register the function that lowers some ATen operations (a name without overload takes all of them).

    ``values`` says what it takes: ``real`` values, ``complex`` ones, or ``both``.
    """

    def register(function: Handler) -> Handler:
        for name in names:
            if values != "complex":
                HANDLERS[name] = function
            if values != "real":
                COMPLEX_HANDLERS[name] = function
        return function

    return register


class Lowering:
    """Reads a captured graph node by node.

    What depends on no input is computed at once: masks, parametrizations and other ways to make a
    weight end as the weight that the module uses.
    """

    def __init__(self, captured: Captured, on_unsupported: str = "error", loops: Loops | None = None) -> None:
        self.captured, self.on_unsupported, self.loops = captured, on_unsupported, loops or Loops()
        self.builder = Builder()
        self.env: dict[fx.Node, Any] = {}
        self.names: dict[int, str] = {}  # id of a constant tensor -> its name
        self.stored: dict[int, str] = {}  # id of a real constant -> the integers that it stands for
        self.folded: dict[Any, Any] = {}
        self.cells: dict[tuple[int, ...], dict[str, tuple[str, np.ndarray]]] = {}
        self.node: fx.Node
        self.depth = 0  # operations that are being read part by part, one in the other
        self._known: dict[int, Tensor] = {}
        self._held: list[Any] = []  # keeps ids of constants from being used again

    def run(self) -> Program:
        """The program of the whole graph."""
        outputs: list[int] = []
        needed = needed_nodes(self.captured.graph)
        for node in self.captured.graph.nodes:
            if node.op != "placeholder" and node not in needed:
                continue
            self.node = node
            self.builder.where = submodule_of(node)
            self.builder.repeat = self.loops.turns.get(node)
            if node in self.captured.known:
                self.env[node] = self._as_constant(
                    self.captured.known[node], self.captured.names.get(node, "")
                )
            elif node.op == "placeholder":
                shape, dtype = shape_of(node)
                discrete = not (dtype.is_floating_point or dtype.is_complex)
                self.env[node] = Ref(self.builder.add_input(shape, discrete=discrete))
            elif node.op == "get_attr":
                self.env[node] = getattr(self.captured.graph.owning_module, str(node.target))
            elif node.op == "call_function":
                self.env[node] = self.call(node)
            elif node.op == "output":
                found = leaves(self.resolve(node.args))
                outputs = [leaf.value for leaf in found if isinstance(leaf, Ref)]
        if not outputs:
            raise UnsupportedOperationError("output", "", "depend on the input")
        return self.builder.program(outputs)

    def _as_constant(self, value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            if id(value) in self._known:  # one constant stays one, so that what is computed of it does
                return self._known[id(value)]
            self._held.append(value)
            given, value = value, value.detach()
            if value.layout != torch.strided:
                value = value.to_dense()
            self.names[id(value)] = name
            if hasattr(given, "stored_as"):
                self.stored[id(value)] = given.stored_as
            self._held.append(value)
            self._known[id(given)] = value
        return value

    def _as_state(self, node: fx.Node) -> Any:
        """The state before the first turn of a loop as a value, as the states after it are."""
        value = self.env[node]
        if isinstance(value, Tensor) and value.is_floating_point():
            outer, self.builder.repeat = self.builder.repeat, None
            value = Ref(self.ref(value))
            self.builder.repeat = outer
        return value

    def resolve(self, tree: Any) -> Any:
        """Replace the nodes in a node's arguments by what they stand for.

        Parameters
        ----------
        tree : Any
            Nodes and other values in nested tuples, lists and dicts.

        Returns
        -------
        Any
            The same tree, with a Ref or a constant in place of each node.

        Raises
        ------
        UnsupportedOperationError
            If a node stands for a second result that is not computed.
        """
        if isinstance(tree, fx.Node):
            if tree in self.loops.carried.get(self.node, ()):
                return self._as_state(tree)
            if self.env[tree] is None and isinstance(tree.meta.get("val"), Tensor):
                source = tree.args[0] if tree.args else tree
                name = str(getattr(source, "target", source))
                raise UnsupportedOperationError(name, self.builder.where, "be read for its first result only")
            return self.env[tree]
        if isinstance(tree, list | tuple):
            return type(tree)(self.resolve(item) for item in tree) if type(tree) in (list, tuple) else [
                self.resolve(item) for item in tree
            ]  # fmt: skip
        if isinstance(tree, dict):
            return {key: self.resolve(item) for key, item in tree.items()}
        return tree

    def call(self, node: fx.Node) -> Any:
        """What a call in the graph makes.

        Parameters
        ----------
        node : fx.Node

        Returns
        -------
        Ref, constant, or a list of them

        Raises
        ------
        UnsupportedOperationError
            If the operation is not supported and is not to become opaque.
        """
        args, kwargs = self.resolve(node.args), self.resolve(node.kwargs)
        if node.target is operator.getitem:
            return args[0][args[1]]
        name = str(node.target) if "0x" not in str(node.target) else str(getattr(node.target, "__name__", ""))
        if node.target in INLINED:
            return inlined(self, node, args)
        if not any(isinstance(leaf, Ref) for leaf in leaves((args, kwargs))):
            return self._fold(node, args, kwargs)
        if "_assert" in name or "sym_" in name:
            return None
        in_place = is_mutable(node) and name.split(".")[1].endswith("_")
        plain = name
        if in_place:
            head, base, *rest = name.split(".")
            plain = ".".join([head, base.removesuffix("_"), *rest])
        is_complex = any(isinstance(leaf, ComplexRef) for leaf in leaves((args, kwargs)))
        known = COMPLEX_HANDLERS if is_complex else HANDLERS
        handler = known.get(plain) or known.get(".".join(plain.split(".")[:2]))
        try:
            if handler is None:
                reason = ("take real values",) if is_complex else ()
                raise UnsupportedOperationError(name, self.builder.where, *reason)
            result = handler(self, *args, **kwargs)
        except UnsupportedOperationError:
            parts = decomposed(self, node, known)
            if parts is None and self.on_unsupported != "opaque":
                raise
            result = parts[0] if parts else self.opaque(node, name, args, kwargs)
        if in_place and isinstance(node.args[0], fx.Node):
            write_back(self, node.args[0], result)
        return result

    def hold(self, value: Tensor, name: str = "") -> Tensor:
        """A constant that will not be freed, so that nothing else gets its id.

        Parameters
        ----------
        value : Tensor
        name : str
            What it is called, if it has a name.

        Returns
        -------
        Tensor
        """
        self._held.append(value)
        self.names[id(value)] = name
        return value

    def _fold(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        mutable = is_mutable(node)
        if "_assert" in str(node.target):
            return None
        key = (node.target, *(_identity(leaf) for leaf in leaves((args, kwargs))))
        random = draws(node)
        if not mutable and not random and key in self.folded:
            return self.folded[key]
        if mutable and args and isinstance(args[0], Tensor):
            # The tensor may be the module's own: change a copy of it.
            args = (args[0].clone(), *args[1:])
        with torch.no_grad():
            result = node.target(*args, **kwargs)  # type: ignore[operator]
        for leaf in leaves(result):
            if isinstance(leaf, Tensor):
                self._held.append(leaf)
                self.names.setdefault(id(leaf), self._inherited(args, kwargs, leaf))
                if "fake_quant" in str(node.target):
                    self.stored[id(leaf)] = "int8"
        if mutable and isinstance(node.args[0], fx.Node) and isinstance(result, Tensor):
            write_back(self, node.args[0], result)
        if not mutable:
            self.folded[key] = result
            self._held.append((args, kwargs))
        return result

    def _inherited(self, args: Any, kwargs: Any, result: Tensor) -> str:
        """A computed weight is called as the parameter of its shape that it was computed from."""
        named = [
            leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Tensor) and self.names.get(id(leaf))
        ]
        best = [leaf for leaf in named if leaf.shape == result.shape and "mask" not in self.names[id(leaf)]]
        return self.names[id((best or named)[0])] if named else ""

    def opaque(self, node: fx.Node, name: str, args: Any, kwargs: Any) -> Any:
        """A step that stands for an operation that is not known.

        Parameters
        ----------
        node : fx.Node
        name : str
            Of the operation.
        args, kwargs
            What the node's arguments stand for.

        Returns
        -------
        Ref, or list of Ref

        Raises
        ------
        UnsupportedOperationError
            If it is not to become opaque.
        """
        if self.on_unsupported != "opaque":
            raise UnsupportedOperationError(name, self.builder.where)
        read = [leaf.value for leaf in leaves((args, kwargs)) if isinstance(leaf, Ref)]
        value: Any = node.meta.get("val")
        many = isinstance(value, list | tuple)
        shapes = [tuple(v.shape) for v in (value if many else [value]) if isinstance(v, Tensor)]
        made = self.builder.emit("opaque", read, *shapes, options={"operator": f"opaque:{name}"})
        return [Ref(v) for v in made] if many else Ref(made[0])

    # ---- what the handlers use

    def unsupported(self, reason: str) -> UnsupportedOperationError:
        """An error to raise that names the operation and the submodule at hand.

        Parameters
        ----------
        reason : str
            What the operation must do, worded to follow "must".

        Returns
        -------
        UnsupportedOperationError
        """
        return UnsupportedOperationError(str(self.node.target), self.builder.where, reason)

    @property
    def operation(self) -> str:
        """Name of the operation at hand, without its overload and the mark of one that writes in place."""
        name = str(self.node.target).split(".")[1]
        return name if name.startswith("__") else name.removesuffix("_")

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of what the node at hand makes."""
        return shape_of(self.node)[0]

    def array(self, value: Any, name: str = "") -> tuple[str, np.ndarray]:
        """Name and values of a constant.

        Parameters
        ----------
        value : Tensor, or what numpy takes
        name : str
            What to call it where the module has no name for it.

        Returns
        -------
        (str, array)
            Floating-point values as float32; on the CPU.
        """
        if not isinstance(value, Tensor):
            return name, np.asarray(value, dtype=np.float32)
        found = self.names.get(id(value), "") or name
        value = value.detach().cpu()
        value = value if value.layout == torch.strided else value.to_dense()
        if value.is_floating_point() and value.dtype != torch.float32:
            value = value.float()
        return found, value.resolve_neg().resolve_conj().numpy()

    def maybe(self, value: Any, name: str = "") -> tuple[str, np.ndarray] | None:
        """As :meth:`array`, for an argument that may be left out.

        Parameters
        ----------
        value : Tensor or None
        name : str
            What to call it where the module has no name for it.

        Returns
        -------
        (str, array) or None
        """
        return None if value is None else self.array(value, name)

    def quantised(self, weight: Any) -> dict[str, str]:
        """Options of a step whose weight stands for integers.

        Parameters
        ----------
        weight : Tensor

        Returns
        -------
        dict
            Empty, or ``quantised`` with the type of the integers.
        """
        stored = self.stored.get(id(weight))
        return {} if stored is None else {"quantised": stored}

    def ref(self, value: Any) -> int:
        """The number of a value; a constant becomes a step of its own.

        Parameters
        ----------
        value : Ref or Tensor

        Returns
        -------
        int
        """
        if isinstance(value, Ref):
            return value.value
        named = self.array(value)
        return self.builder.one("constant", [], named[1].shape, tensors={"value": named})

    def shape(self, value: Any) -> tuple[int, ...]:
        """The shape of a value or constant.

        Parameters
        ----------
        value : Ref or Tensor

        Returns
        -------
        tuple of int
        """
        return self.builder.shape[value.value] if isinstance(value, Ref) else tuple(value.shape)


def _identity(leaf: Any) -> Any:
    return ("tensor", id(leaf)) if isinstance(leaf, Tensor) else (type(leaf).__name__, str(leaf))
