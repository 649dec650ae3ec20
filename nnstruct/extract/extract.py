"""``extract``: a trained module becomes a Network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnstruct.checks import check_integer, is_number
from nnstruct.errors import InvalidInputError
from nnstruct.extract.faithful import is_faithful, read_faithful
from nnstruct.extract.family import AUTO, MODULE, check_family, family_network
from nnstruct.extract.simplify import with_attention
from nnstruct.network import Network
from nnstruct.network.assembly import MAX_EDGES, wire
from nnstruct.network.layers import layer_network
from nnstruct.program import Program, UnsupportedOperationError
from nnstruct.program.wiring import RESOLUTIONS

if TYPE_CHECKING:
    from torch import nn


def extract(
    module: nn.Module,
    example_input: Any = None,
    resolution: str = "unit",
    threshold: float = 0.0,
    *,
    on_unsupported: str = "error",
    max_edges: int = MAX_EDGES,
    family: str = MODULE,
) -> Network:
    """A trained module's units, edges and weights; the module stays as it is.

    The module is recorded in evaluation mode with :mod:`torch.export`, on a shadow that shares its
    tensors. What a weight is made of (a mask, a parametrization, a sparse tensor) is computed, so
    that sparsity is seen however it was made. The table in :mod:`nnstruct.extract` says what
    becomes a unit and an edge.

    Parameters
    ----------
    module : torch.nn.Module
        A module of nnstruct gives back the Structure that it was built from.
    example_input : Tensor, tuple of arguments or dict of keyword arguments
        Something that the module takes; not needed for a module of nnstruct. Integers and booleans that only
        say where it looks (masks, lengths, edges of a graph) are constants, and no inputs of the network;
        tensors inside other objects (caches) are inputs. Of sequences at least two steps: a cell written by
        hand shows its recurrence from the second step on, and there is a warning for one step.
    resolution : str
        ``unit``: neurons, hidden units and channels, with kernels and gates as vectors on the
        edges. ``weight``: every weight an edge, convolutions unrolled over their positions.
        ``layer``: operators as units.
    threshold : float
        Weights up to this magnitude count as zero, and zero weights are no edges.
    on_unsupported : str
        ``error``, or ``opaque`` for a unit in place of each channel of an operation that is not supported;
        ``network.opaque`` lists what became opaque.
    max_edges : int
        Refuse to make more edges than this.
    family : str
        ``module``: units for the inputs and for all that computes. ``auto``: a perceptron, a stack of
        recurrent layers or a plain convolutional network is read as one of the family ``mlp``,
        ``rnn_tanh``, ``rnn_relu``, ``gru``, ``lstm`` or ``cnn``, as one could have drawn it: inputs and a
        linear read-out are ports and no units. It can be trained, searched and scored with such. What is of
        no family stays ``module``. One of these names: of that family, or an error.

    Returns
    -------
    Network
        A :class:`nnstruct.network.module_network.ModuleNetwork` of the family ``module``, or the
        Network of a module of nnstruct; at layer resolution a plain Network. One of another family holds
        ``input_weight``, ``readout_weight`` and ``readout_bias``, batch normalisations inside its weights;
        :func:`nnstruct.modules.module_from_network` computes it. At layer resolution the cells of a
        convolutional network are its layers.

    Raises
    ------
    InvalidInputError
        If the module does not take the example, or there would be too many edges.
    UnsupportedOperationError
        If an operation is not supported; it names the operation and the submodule.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.extract import extract
    >>> mlp = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> network = extract(mlp, torch.zeros(1, 3))
    >>> network.structure.num_units, network.structure.num_edges  # 3 inputs, 4 and 2 neurons
    (9, 20)
    """
    from torch import nn

    if not isinstance(module, nn.Module):
        raise InvalidInputError("module", "be a torch.nn.Module", type(module).__name__)
    check_choices(resolution, threshold, on_unsupported, max_edges)
    check_family(family)
    if callable(getattr(module, "to_network", None)):
        return _own(module, resolution, family)
    if callable(getattr(module, "to_program", None)):
        program = module.to_program()  # type: ignore[operator]
    elif is_faithful(module):
        program = read_faithful(module)
    elif example_input is None:
        raise InvalidInputError("example_input", "be given for this module", None)
    else:
        program = read_module(module, example_input, on_unsupported)
    origin = {"module": type(module).__name__}
    return to_network(program, resolution, threshold, max_edges, origin, family)


def read_module(module: nn.Module, example_input: Any, on_unsupported: str = "error") -> Program:
    """The steps of a module for an example input.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is.
    example_input : Tensor, tuple of arguments or dict of keyword arguments
    on_unsupported : {"error", "opaque"}
        As for :func:`extract`.

    Returns
    -------
    Program
        With all weights.

    Raises
    ------
    InvalidInputError
        If the module does not take the example.
    UnsupportedOperationError
        If an operation is not supported.
    """
    from nnstruct.extract import (  # noqa: F401  (they register handlers)
        aten_affine,
        aten_fourier,
        aten_index,
        aten_known_places,
        aten_logic,
        aten_math,
        aten_matrices,
        aten_moves,
        aten_packed,
        aten_places,
        aten_pools,
        aten_quantised,
    )
    from nnstruct.extract.capture import capture
    from nnstruct.extract.loops import find_loops
    from nnstruct.extract.lowering import Lowering
    from nnstruct.extract.masks import fix_masks

    captured = fix_masks(capture(module, example_input))
    loops = find_loops(captured)
    if loops.turns:
        try:
            return with_attention(Lowering(captured, "error", loops).run())
        except UnsupportedOperationError:
            pass  # turn by turn it may be possible
    return with_attention(Lowering(captured, on_unsupported).run())


def to_network(
    program: Program,
    resolution: str,
    threshold: float,
    max_edges: int,
    origin: dict[str, Any],
    family: str = MODULE,
) -> Network:
    """The Network of a program at a resolution.

    Parameters
    ----------
    program : Program
    resolution : {"unit", "weight", "layer"}
    threshold : float
    max_edges : int
        As for :func:`extract`.
    origin : dict
        What the structure's origin shall say beside the resolution and the program.
    family : str
        As for :func:`extract`.

    Returns
    -------
    Network

    Raises
    ------
    InvalidInputError
        If there would be too many edges, or the program is not of the family asked for.
    """
    if family != MODULE and resolution != "weight":
        found = family_network(program, family, resolution, threshold, origin)
        if found is not None:
            return found
    if resolution == "layer":
        return layer_network(program, threshold=threshold, origin=origin)
    return wire(program, resolution, threshold=threshold, max_edges=max_edges, origin=origin)


def check_choices(resolution: str, threshold: float, on_unsupported: str, max_edges: int) -> None:
    """Raise :class:`InvalidInputError` unless the options are among those offered."""
    if resolution not in RESOLUTIONS:
        raise InvalidInputError("resolution", f"be one of {', '.join(RESOLUTIONS)}", resolution)
    if not (is_number(threshold) and threshold >= 0):
        raise InvalidInputError("threshold", "be at least 0", threshold)
    if on_unsupported not in ("error", "opaque"):
        raise InvalidInputError("on_unsupported", "be 'error' or 'opaque'", on_unsupported)
    check_integer(max_edges, "max_edges", rule="be at least 1")


def _own(module: Any, resolution: str, family: str) -> Network:
    # A structure that was drawn is what it is: its cells are layers already.
    if resolution != "unit" and not (resolution == "layer" and family != MODULE):
        raise InvalidInputError("resolution", "be 'unit' for a module of nnstruct", resolution)
    network = module.to_network()
    if not isinstance(network, Network):
        raise InvalidInputError("module.to_network()", "return a Network", type(network).__name__)
    if family not in (MODULE, AUTO, network.structure.family):
        raise InvalidInputError("module", f"be of the family {family!r}", network.structure.family)
    return network
