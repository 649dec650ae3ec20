"""A module's computation as a graph of ATen operations, without touching the module."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export._tree_utils import reorder_kwargs
from torch.overrides import TorchFunctionMode

from nnstruct.errors import InvalidInputError
from nnstruct.extract.aten_graph import leaves
from nnstruct.extract.objects import flat_tensors, holds_objects, split
from nnstruct.extract.observers import with_real_numbers

_LOUD = ("torch.fx.experimental.symbolic_shapes", "torch._subclasses.fake_tensor", "torch.export")


@dataclass
class Captured:
    """A graph of ATen operations.

    Attributes
    ----------
    graph : torch.fx.Graph
    known : dict of torch.fx.Node to tensor or other value
        Placeholders that are parameters, buffers or constants of the module.
    names : dict of torch.fx.Node to str
        What those are called.
    inputs : list of torch.fx.Node
        Placeholders that the caller gives, in order.
    given : dict of torch.fx.Node to Tensor
        What the example has for them.
    """

    graph: fx.Graph
    known: dict[fx.Node, Any]
    names: dict[fx.Node, str]
    inputs: list[fx.Node]
    given: dict[fx.Node, Tensor] = field(default_factory=dict)


def capture(module: nn.Module, example: Any) -> Captured:
    """Record what a module does with an example input, in evaluation mode.

    :mod:`torch.export` records it; where a module's control flow depends on values, so that it
    cannot, :mod:`torch.fx` follows the example through it instead.

    Parameters
    ----------
    module : nn.Module
        Left as it is.
    example : Tensor, tuple of positional arguments or dict of keyword arguments

    Returns
    -------
    Captured

    Raises
    ------
    InvalidInputError
        If the module cannot take the example.
    """
    args, kwargs = _apart(_arguments(example))
    while isinstance(getattr(module, "_orig_mod", None), nn.Module):  # what torch.compile wraps
        module = module._orig_mod  # type: ignore[assignment]
    with _quiet(), torch.no_grad():
        module = with_real_numbers(module, args, kwargs, shadow_of)
        shadow = shadow_of(module).eval()
        try:
            return _exported(shadow, args, kwargs)
        except Exception as error:  # torch.export raises whatever the module's code raises
            reason = error
        if holds_objects((args, kwargs)) or "flatten" in str(reason):
            try:
                return _exported(*_with_plain_arguments(shadow_of(module).eval(), args, kwargs), {})
            except Exception as error:
                reason = error
        try:
            return _followed(shadow_of(module, copy_buffers=True).eval(), args, kwargs)
        except Exception as error:
            raise InvalidInputError(
                "example_input",
                "be what the module takes, with operations that torch.export or torch.fx can record",
                f"{type(error).__name__}: {error}"[:150],
            ) from reason


def shadow_of(module: nn.Module, *, copy_buffers: bool = False) -> nn.Module:
    """A module of the same parts and tensors, so that nothing done to it shows in the original."""
    seen: dict[int, nn.Module] = {}

    def shadow(part: nn.Module) -> nn.Module:
        if id(part) in seen:
            return seen[id(part)]
        twin = type(part).__new__(type(part))
        seen[id(part)] = twin
        # One level of copies: hooks, masks and lists of weights are rebound, not shared.
        state = {
            name: value.copy() if isinstance(value, list | dict | set) else value
            for name, value in part.__dict__.items()
            if name not in ("eval", "train")  # what torch.export unlifts refuses them; its mode is fixed
        }
        state["_modules"] = {
            name: None if child is None else shadow(child) for name, child in part._modules.items()
        }
        if copy_buffers:
            state["_buffers"] = {
                name: None if value is None else value.clone() for name, value in part._buffers.items()
            }
        for name, value in state.items():
            if isinstance(value, MethodType) and isinstance(value.__self__, nn.Module):
                state[name] = MethodType(value.__func__, shadow(value.__self__))  # kept under another name
        twin.__dict__.update(state)
        return twin

    return shadow(module)


def _arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, Mapping):
        return (), dict(example)
    return (tuple(example), {}) if isinstance(example, tuple | list) else ((example,), {})


def _apart(arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of which none is another one, too: a recording would take them for one input."""
    args, kwargs = arguments
    seen: set[int] = set()

    def own(value: Any) -> Any:
        if not isinstance(value, Tensor) or id(value) not in seen:
            seen.add(id(value))
            return value
        return value.clone()

    return tuple(own(value) for value in args), {name: own(value) for name, value in kwargs.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its one fused operation hides the units
    loud = [logging.getLogger(name) for name in _LOUD]
    levels = [logger.level for logger in loud]
    for logger in loud:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        # A failed export prints what it had recorded.
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loud, levels, strict=True):
            logger.setLevel(level)
        torch.backends.mha.set_fastpath_enabled(fast)


def _with_plain_arguments(
    shadow: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[nn.Module, tuple[Any, ...]]:
    """A shadow that takes and gives nothing but tensors, and those that it takes."""
    tensors, rebuild = split(args, kwargs)
    forward = shadow.forward

    def plain(*given: Tensor) -> list[Tensor]:
        positional, named = rebuild(given)
        return flat_tensors(forward(*positional, **named))

    shadow.forward = plain
    return shadow, tuple(tensors)


def _exported(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Captured:
    program = torch.export.export(module, args, kwargs, strict=False)
    if _has_open_sizes(program.graph):
        raise ValueError("sizes depend on values")
    signature = program.graph_signature
    named: dict[str, str] = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    objects = signature.inputs_to_lifted_custom_objs
    given = set(signature.user_inputs)
    first = {id(value): name for name, value in [*module.named_parameters(), *module.named_buffers()]}
    flat = torch.utils._pytree.tree_leaves((args, reorder_kwargs(kwargs, program.call_spec.in_spec)))
    values = dict(zip(signature.user_inputs, flat, strict=True))
    captured = Captured(program.graph, {}, {}, [])
    for node in program.graph.nodes:
        if node.op != "placeholder":
            continue
        if node.name in named:
            name = named[node.name]
            value = program.state_dict.get(name)
            captured.known[node] = program.constants[name] if value is None else value
            captured.names[node] = first.get(id(captured.known[node]), name)
        elif node.name in objects:
            captured.known[node] = program.constants[objects[node.name]]
        elif node.name in given and isinstance(node.meta.get("val"), Tensor):
            captured.inputs.append(node)
            captured.given[node] = values[node.name]
        else:
            captured.known[node] = node.meta.get("val")
    _unify(captured, [*module.named_parameters(), *module.named_buffers()])
    return captured


def _has_open_sizes(graph: fx.Graph) -> bool:
    """Whether some value has as many elements as another one's numbers say."""
    values = (leaf for node in graph.nodes for leaf in leaves(node.meta.get("val")))
    return any(not isinstance(size, int) for v in values if isinstance(v, Tensor) for size in v.shape)


def _unify(captured: Captured, named: list[tuple[str, Tensor]]) -> None:
    """Let constants that show the same memory be one: modules in plain lists are recorded use by use."""
    first = {memory: (value, name) for name, value in named if (memory := _memory(value)) is not None}
    for node, value in captured.known.items():
        memory = _memory(value) if isinstance(value, Tensor) else None
        if memory is not None:
            own = (value, captured.names.get(node, ""))
            captured.known[node], captured.names[node] = first.setdefault(memory, own)


def _memory(value: Tensor) -> tuple[Any, ...] | None:
    if type(value) not in (Tensor, nn.Parameter) or value.layout != torch.strided or not value.numel():
        return None
    if value.device.type == "meta":
        return None
    return (value.data_ptr(), value.shape, value.stride(), value.dtype)


class _DataIsRecorded(TorchFunctionMode):
    """``tensor.data`` shows the same memory without a trace in the recording; ``detach`` leaves one."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == Tensor.data.__get__:  # type: ignore[attr-defined]
            return args[0].detach()
        return func(*args, **(kwargs or {}))


def _followed(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Captured:
    from torch.fx.experimental.proxy_tensor import make_fx

    tensors, rebuild = split(args, kwargs)

    def trace(whole: nn.Module, given: list[Tensor]) -> fx.GraphModule:
        def run(*values: Tensor) -> Any:
            positional, named = rebuild(values)
            with _DataIsRecorded():
                return flat_tensors(whole(*positional, **named))

        follow = make_fx(run, tracing_mode="real", pre_dispatch=True, _error_on_data_dependent_ops=False)
        return follow(*given)

    twin = shadow_of(module, copy_buffers=True)  # before the module changes a state of its own
    traced = trace(module, tensors)
    own = {id(value) for part in (module, twin) for value in [*part.parameters(), *part.buffers()]}
    if _holds_other_numbers(traced, trace(twin, [_nudged(value) for value in tensors]), own):
        raise ValueError(
            "numbers of the input leave the recording (float(), .numpy()): compute with torch alone"
        )
    names = {id(value): name for name, value in [*module.named_parameters(), *module.named_buffers()]}
    captured = Captured(traced.graph, {}, {}, [])
    values = iter(tensors)
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            captured.inputs.append(node)
            captured.given[node] = next(values)
        elif node.op == "get_attr":
            value = _attribute(traced, str(node.target))
            captured.known[node] = value
            captured.names[node] = names.get(id(value), str(node.target).lstrip("_"))
    _unify(captured, [*module.named_parameters(), *module.named_buffers()])
    return captured


def _nudged(value: Tensor) -> Tensor:
    """Nearly the same numbers: a module that decides by them decides the same."""
    return value * (1 + 2**-10) if value.is_floating_point() else value


def _holds_other_numbers(one: fx.GraphModule, other: fx.GraphModule, own: set[int]) -> bool:
    """Whether the same operations were recorded with other real numbers, a module's own apart."""
    pairs = list(zip(one.graph.nodes, other.graph.nodes, strict=False))
    if len(one.graph.nodes) != len(other.graph.nodes) or any(a.target != b.target for a, b in pairs):
        return False  # which operations there are depends on values: those of the example are taken
    for a, b in pairs:
        if a.op == "get_attr":
            held = _attribute(one, str(a.target)), _attribute(other, str(b.target))
            if any(id(value) in own or not isinstance(value, Tensor) for value in held):
                continue
            if held[0].is_floating_point() and not torch.equal(*held):
                return True
        for left, right in zip(leaves((a.args, a.kwargs)), leaves((b.args, b.kwargs)), strict=False):
            if isinstance(left, float) and isinstance(right, float) and left != right:
                return True
    return False


def _attribute(module: nn.Module, path: str) -> Any:
    value: Any = module
    for part in path.split("."):
        value = getattr(value, part)
    return value
