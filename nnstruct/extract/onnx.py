"""``extract_onnx``: an ONNX file becomes a Network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from nnstruct.checks import check_integer
from nnstruct.extract.extract import check_choices, to_network
from nnstruct.extract.family import MODULE, check_family
from nnstruct.extract.onnx_file import load_model, read_tensor
from nnstruct.extract.simplify import simplified
from nnstruct.network import Network
from nnstruct.network.assembly import MAX_EDGES
from nnstruct.program import Program
from nnstruct.reading import max_bytes as budget
from nnstruct.reading import reading


def extract_onnx(
    path: str | PathLike[str],
    resolution: str = "unit",
    threshold: float = 0.0,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    on_unsupported: str = "error",
    max_edges: int = MAX_EDGES,
    max_bytes: int | None = None,
    family: str = MODULE,
) -> Network:
    """Units, edges and weights of a network in an ONNX file.

    The Network is the one that :func:`nnstruct.extract.extract` reads from the module that the file
    was exported from, as far as the file says the same; an exporter may have joined a batch
    normalisation with the convolution before it.

    Parameters
    ----------
    path : path
        Of a file, with external data, if it has any, in the same folder.
    resolution, threshold, on_unsupported, max_edges, family
        As for :func:`nnstruct.extract.extract`.
    shapes : mapping of str to sequence of int, optional
        Shapes of inputs whose sizes are not all in the file; such a size is 1 otherwise.
    max_bytes : int, optional
        Refuse a file, stored tensors, or constants that are computed of them, that are larger together; by
        default what ``NNSTRUCT_MAX_BYTES`` says, or 1 GiB.

    Returns
    -------
    Network
        As for :func:`nnstruct.extract.extract`.

    Raises
    ------
    InvalidInputError
        If onnx is not installed, a limit is passed, or external data lies outside the folder.
    UnsupportedOperationError
        If an operator is not supported; it names the operator and the node.
    CorruptFileError
        If the file is no ONNX model or its tensors do not fit their shapes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> from nnstruct.extract import extract, extract_onnx
    >>> mlp = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mlp.onnx"
    ...     torch.onnx.export(mlp, (torch.zeros(1, 3),), str(file), dynamo=False)
    ...     network = extract_onnx(file)
    >>> network.structure == extract(mlp, torch.zeros(1, 3)).structure
    True
    """
    check_choices(resolution, threshold, on_unsupported, max_edges)
    check_family(family)
    with reading(path, "an ONNX model that can be read"):
        program = read_onnx(path, shapes or {}, on_unsupported, max_bytes)
        return to_network(program, resolution, threshold, max_edges, {"file": Path(path).name}, family)


def read_onnx(
    path: str | PathLike[str],
    shapes: Mapping[str, Sequence[int]],
    on_unsupported: str = "error",
    max_bytes: int | None = None,
) -> Program:
    """The steps of an ONNX file.

    Parameters
    ----------
    path : path
    shapes : mapping of str to sequence of int
        Shapes of inputs whose sizes are not all in the file.
    on_unsupported : {"error", "opaque"}
    max_bytes : int, optional
        As for :func:`extract_onnx`.

    Returns
    -------
    Program
        With all weights.

    Raises
    ------
    InvalidInputError, UnsupportedOperationError, CorruptFileError
        As for :func:`extract_onnx`.
    """
    limit = budget() if max_bytes is None else check_integer(max_bytes, "max_bytes")
    model, tensors = load_model(path, limit)
    from nnstruct.extract import onnx_operators  # noqa: F401  (it registers handlers)
    from nnstruct.extract.onnx_graph import OnnxReader

    file = Path(path)
    reader = OnnxReader(
        model, tensors, shapes, on_unsupported, lambda tensor: read_tensor(tensor, file.parent, file), limit
    )
    return simplified(reader.run())
