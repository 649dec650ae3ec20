"""The HTML file of a report: one section for each thing that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.files import write_atomically
from nnstruct.report import sections
from nnstruct.report.sections import HeldOut
from nnstruct.templates import render

if TYPE_CHECKING:
    import pandas as pd

    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors import Evaluation
    from nnstruct.structure import Structure


def write_report(
    path: str | Path,
    bench: Benchmark,
    *,
    evaluation: Evaluation | None = None,
    held_out: HeldOut | None = None,
    history: pd.DataFrame | None = None,
    found: Benchmark | None = None,
    unguided: pd.DataFrame | None = None,
    structures: Mapping[str, Structure] | None = None,
    title: str = "From structure to search",
    steps: Sequence[tuple[str, float]] = (),
    commands: Sequence[tuple[str, str]] = (),
    provenance: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write one HTML file with everything in it: no link, no script, no second file.

    Parameters
    ----------
    path : path
        Of the file; one that is there is replaced.
    bench : Benchmark
        With at least two structures.
    evaluation : Evaluation, optional
        Of :func:`nnstruct.evaluate`: bars of R2 beside the noise ceiling and a table.
    held_out : HeldOut, optional
        Predictions beside the truth.
    history : pandas.DataFrame, optional
        Of a search; see :attr:`nnstruct.search.Search.history`.
    found : Benchmark, optional
        The structures that the search had trained.
    unguided : pandas.DataFrame, optional
        History of a search without a guide, to stand beside.
    structures : mapping of str to Structure, optional
        Those of the searches by fingerprint, as of :func:`nnstruct.search.read_structures`: the best of
        each search are drawn.
    title : str
    steps : sequence of (str, float)
        What was done, and how many seconds it took.
    commands : sequence of (str, str)
        What to do next, and the command for it.
    provenance : sequence of (str, str)
        What is known of the run, as :func:`provenance_of` gives it.

    Returns
    -------
    Path

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import Structure, build
    >>> from nnstruct.record import TrainConfig
    >>> from nnstruct.report import write_report
    >>> from nnstruct.tasks import Task
    >>> task = Task.from_sequences("ends-in-b", ["ab", "ba", "bb", "aa", "aab"] * 9, [1, 0, 1, 0, 1] * 9)
    >>> nets = [Structure.from_layers([n, n], family="rnn_tanh") for n in (2, 3, 4)]
    >>> bench = build(task, nets, seeds=2, config=TrainConfig(epochs=1), workers=1)
    >>> page = write_report(tempfile.mkdtemp() + "/report.html", bench)
    >>> page.read_text().startswith("<!doctype html>")
    True
    """
    parts = [
        sections.headline(bench, evaluation, history),
        sections.done(steps),
        sections.labels(bench),
        sections.predictors(evaluation),
        sections.unseen(held_out, bench),
        sections.extremes(bench, found),
        sections.search(bench, history, unguided, structures),
        sections.next_steps(commands),
        sections.provenance(provenance),
    ]
    text = render("nnstruct.report", "page.html", title=title, sections=parts)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, text.encode())
    return target
