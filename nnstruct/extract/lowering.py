"""From a graph of ATen operations to a program."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from nnstruct.extract.builder import Builder
from nnstruct.extract.capture import Captured
from nnstruct.program import Program, UnsupportedOperationError


@dataclass(frozen=True)
class Ref:
    """A value of the program, as opposed to a constant."""

    value: int


Handler = Callable[..., Any]
HANDLERS: dict[str, Handler] = {}


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register the function that lowers some ATen operations (a name without overload takes all of them)."""

    def register(function: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = function
        return function

    return register


class Lowering:
    """Reads a captured graph node by node.

    What depends on no input is computed at once: masks, parametrizations and other ways to make a
    weight end as the weight that the module uses.
    """

    def __init__(self, captured: Captured, on_unsupported: str = "error") -> None:
        self.captured, self.on_unsupported = captured, on_unsupported
        self.builder = Builder()
        self.env: dict[fx.Node, Any] = {}
        self.names: dict[int, str] = {}  # id of a constant tensor -> its name
        self.folded: dict[Any, Any] = {}
        self.cells: dict[tuple[int, ...], dict[str, tuple[str, np.ndarray]]] = {}
        self.node: fx.Node
        self._held: list[Any] = []  # keeps ids of constants from being used again

    def run(self) -> Program:
        """The program of the whole graph."""
        outputs: list[int] = []
        needed = _needed(self.captured.graph)
        for node in self.captured.graph.nodes:
            if node.op != "placeholder" and node not in needed:
                continue
            self.node = node
            self.builder.where = submodule_of(node)
            if node in self.captured.known:
                self.env[node] = self._as_constant(
                    self.captured.known[node], self.captured.names.get(node, "")
                )
            elif node.op == "placeholder":
                shape, dtype = shape_of(node)
                discrete = not (dtype.is_floating_point or dtype.is_complex)
                self.env[node] = Ref(self.builder.add_input(shape, discrete=discrete))
            elif node.op == "call_function":
                self.env[node] = self._call(node)
            elif node.op == "output":
                found = leaves(self.resolve(node.args))
                outputs = [leaf.value for leaf in found if isinstance(leaf, Ref)]
        if not outputs:
            raise UnsupportedOperationError("output", "", "depend on the input")
        return self.builder.program(outputs)

    def _as_constant(self, value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            value = value.detach()
            if value.layout != torch.strided:
                value = value.to_dense()
            self.names[id(value)] = name
            self._held.append(value)
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
        """
        if isinstance(tree, fx.Node):
            return self.env[tree]
        if isinstance(tree, list | tuple):
            return type(tree)(self.resolve(item) for item in tree) if type(tree) in (list, tuple) else [
                self.resolve(item) for item in tree
            ]  # fmt: skip
        if isinstance(tree, dict):
            return {key: self.resolve(item) for key, item in tree.items()}
        return tree

    def _call(self, node: fx.Node) -> Any:
        args, kwargs = self.resolve(node.args), self.resolve(node.kwargs)
        if node.target is operator.getitem:
            return args[0][args[1]]
        name = str(node.target)
        if not any(isinstance(leaf, Ref) for leaf in leaves((args, kwargs))):
            return self._fold(node, args, kwargs)
        if "_assert" in name or "sym_" in name:
            return None
        in_place = _is_mutable(node) and name.split(".")[1].endswith("_")
        plain = name
        if in_place:
            head, base, *rest = name.split(".")
            plain = ".".join([head, base.removesuffix("_"), *rest])
        handler = HANDLERS.get(plain) or HANDLERS.get(".".join(plain.split(".")[:2]))
        if handler is None or (in_place and _shows_elsewhere(node.args[0])):
            return self._unsupported(node, name, args, kwargs)
        try:
            result = handler(self, *args, **kwargs)
        except UnsupportedOperationError:
            if self.on_unsupported != "opaque":
                raise
            return self._unsupported(node, name, args, kwargs)
        if in_place and isinstance(node.args[0], fx.Node):
            self.env[node.args[0]] = result
        return result

    def _fold(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        mutable = _is_mutable(node)
        if "_assert" in str(node.target):
            return None
        key = (node.target, *(_identity(leaf) for leaf in leaves((args, kwargs))))
        random = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
        if not mutable and not random and key in self.folded:
            return self.folded[key]
        if mutable and args and isinstance(args[0], Tensor):
            # The tensor may be the module's own: change a copy of it.
            args = (args[0].clone(), *args[1:])
        with torch.no_grad():
            result = node.target(*args, **kwargs)  # type: ignore[operator]
        if mutable and isinstance(node.args[0], fx.Node):
            self.env[node.args[0]] = result
        for leaf in leaves(result):
            if isinstance(leaf, Tensor):
                self._held.append(leaf)
                self.names.setdefault(id(leaf), self._inherited(args, kwargs, leaf))
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

    def _unsupported(self, node: fx.Node, name: str, args: Any, kwargs: Any) -> Any:
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


def _is_mutable(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable)


def _needed(graph: fx.Graph) -> set[fx.Node]:
    """Nodes that an output depends on, writes into such nodes included."""
    needed: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        written = _viewed(node.args[0]) if _is_mutable(node) and node.args else []
        if node.op == "output" or node in needed or needed.intersection(written):
            needed.add(node)
            needed.update(node.all_input_nodes)
    return needed


def leaves(tree: Any) -> Iterable[Any]:
    """The values in nested tuples, lists and dicts."""
    if isinstance(tree, list | tuple):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves(item)]
    return [tree]


def _identity(leaf: Any) -> Any:
    return ("tensor", id(leaf)) if isinstance(leaf, Tensor) else (type(leaf).__name__, str(leaf))


def shape_of(node: fx.Node) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape and type of the tensor that a node makes."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        value = node.meta["tensor_meta"]
    return tuple(int(size) for size in value.shape), value.dtype


def submodule_of(node: fx.Node) -> str:
    """Path of the submodule that a node was recorded in."""
    stack = node.meta.get("nn_module_stack") or {}
    if not stack:
        return ""
    path = list(stack.values())[-1][0]
    return str(path).removeprefix("L['self'].").removeprefix("L['self']").strip(".")


_VIEWS = frozenset(
    {
        "slice", "select", "view", "transpose", "permute", "unsqueeze", "squeeze", "expand", "alias", "t",
        "mT", "reshape", "flatten", "unflatten", "chunk", "split", "split_with_sizes", "unbind", "narrow",
        "movedim", "detach",
    }
)  # fmt: skip


def _viewed(node: Any) -> list[fx.Node]:
    """The node and, behind it, those whose memory it may show."""
    chain: list[fx.Node] = []
    while isinstance(node, fx.Node):
        chain.append(node)
        name = str(node.target).split(".")[1:2]
        if node.op != "call_function" or not (
            node.target is operator.getitem or (name and name[0] in _VIEWS)
        ):
            break
        node = node.args[0]
    return chain


def _shows_elsewhere(node: Any) -> bool:
    """Whether a write into this node would show in a value that something else reads."""
    return any(len(behind.users) > 1 or behind.op == "placeholder" for behind in _viewed(node)[1:])
