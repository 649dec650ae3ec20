"""Evaluations in folders, so that a run that is repeated finds them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnstruct.errors import CorruptFileError, MissingDataError
from nnstruct.files import remove, sha256, write_atomically
from nnstruct.reading import read_bytes, read_json

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors import Evaluation

ABOUT, READABLE = "about.json", "table.csv"
TABLES = ("results.parquet", "predictions.parquet")


def digest(*parts: Any) -> str:
    """16 hexadecimal digits that depend on JSON values.

    Parameters
    ----------
    *parts : JSON values

    Returns
    -------
    str

    Examples
    --------
    >>> from nnstruct.recipes.stored import digest
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1})
    True
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def benchmark_key(bench: Benchmark) -> str:
    """16 hexadecimal digits that depend on every structure and label of a benchmark.

    Parameters
    ----------
    bench : Benchmark

    Returns
    -------
    str
        The same for any order of the structures.
    """
    rows = zip(bench.fingerprints, bench.y.tolist(), bench.y_count.tolist(), strict=True)
    return digest(bench.target, sorted(rows))


def save_evaluation(evaluation: Evaluation, folder: str | Path, key: str = "") -> Path:
    """Write an evaluation: its two tables and ``about.json``, which comes last and vouches for them.

    The scores are there as CSV too, for other programs to read.

    Parameters
    ----------
    evaluation : Evaluation
    folder : path
    key : str
        What :func:`load_evaluation` must ask for.

    Returns
    -------
    Path
        The folder.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import Structure
    >>> from nnstruct.benchmark import Benchmark
    >>> from nnstruct.predictors import evaluate
    >>> from nnstruct.recipes import load_evaluation, save_evaluation
    >>> from types import SimpleNamespace
    >>> nets = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
    >>> ceiling = SimpleNamespace(value=1.0, low=1.0, high=1.0)
    >>> bench = SimpleNamespace(structures=nets, y=[0.1 * n for n in range(10)], noise_ceiling=ceiling)
    >>> folder = save_evaluation(evaluate(["mean"], bench, folds=2, repeats=1), tempfile.mkdtemp(), "first")
    >>> load_evaluation(folder, "first")
    Evaluation(mean; 10 structures)
    >>> load_evaluation(folder, "second") is None
    True
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    remove(target / ABOUT)
    write_atomically(target / READABLE, evaluation.table.to_csv().encode())
    evaluation.save(target)
    about = {"key": key, "sha256": _digests(target)}
    write_atomically(target / ABOUT, (json.dumps(about, indent=1) + "\n").encode())
    return target


def load_evaluation(folder: str | Path, key: str = "") -> Evaluation | None:
    """The evaluation that :func:`save_evaluation` wrote.

    Parameters
    ----------
    folder : path
    key : str
        The key that it was saved with.

    Returns
    -------
    Evaluation or None
        None where the folder holds none, a damaged one, or one of another key: whoever asks evaluates
        again then.

    Examples
    --------
    >>> from nnstruct.recipes import load_evaluation
    >>> load_evaluation("no-such-folder") is None
    True

    :func:`save_evaluation` shows one that is found.
    """
    from nnstruct.predictors import Evaluation

    source = Path(folder)
    try:
        about = read_json(source / ABOUT)
        if about["key"] != key or about["sha256"] != _digests(source):
            return None
        return Evaluation.load(source)
    except (CorruptFileError, MissingDataError, OSError, ValueError, KeyError, TypeError):
        # A damaged copy is no loss: the caller evaluates again.
        return None


def _digests(folder: Path) -> dict[str, str]:
    return {name: sha256(read_bytes(folder / name)) for name in TABLES}
