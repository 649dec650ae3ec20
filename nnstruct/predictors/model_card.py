"""The card of a saved predictor: what it was fitted to, where it holds, and how well it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import is_number
from nnstruct.templates import render

if TYPE_CHECKING:
    from nnstruct.predictors.report import Evaluation

CARD = "README.md"
_HEADINGS = {
    "r2": "R2",
    "kendall": "Kendall's tau",
    "spearman": "Spearman's rank correlation",
    "mae": "mean absolute error",
    "coverage_90": "share inside 90% intervals",
    "ceiling": "noise ceiling of R2",
}


def scores_of(evaluation: Evaluation, label: str) -> dict[str, Any]:
    """The scores of one predictor in an evaluation, as a predictor's metadata keep them.

    Parameters
    ----------
    evaluation : Evaluation
        A cross-validation.
    label : str
        The predictor.

    Returns
    -------
    dict
        ``how``, and for each score ``[value, low, high]``, None where there is no such number.
    """
    row = evaluation.table.loc[label]
    scores: dict[str, Any] = {
        "how": f"{evaluation.repeats} x {evaluation.folds}-fold cross-validation by fingerprint"
    }
    for name in _HEADINGS:
        if name in row:
            ends = (name, f"{name}_low", f"{name}_high")
            scores[name] = [_plain(row[end]) if end in row else None for end in ends]
    return scores


def model_card(description: Mapping[str, Any]) -> str:
    """A page in Hugging Face's form for model cards.

    Parameters
    ----------
    description : mapping
        What ``predictor.json`` holds.

    Returns
    -------
    str
        Markdown with YAML in front; the same for the same description.
    """
    metadata, fitted = description["metadata"], description["fitted"]
    scores = metadata.get("scores") or {}
    if not scores and is_number(metadata.get("r2")):
        scores = {"r2": [metadata["r2"], None, None]}
    known = fitted.get("range") or {}
    rows = [(_HEADINGS[name], *map(_number, scores[name])) for name in _HEADINGS if name in scores]
    return render(
        "nnstruct.predictors",
        "model_card.md",
        predictor=description["predictor"],
        benchmark=metadata.get("benchmark") or metadata.get("task") or "",
        task=metadata.get("task") or "",
        target=metadata.get("target") or "the label",
        structures=fitted["num_structures"],
        families=known.get("families", metadata.get("families") or []),
        sizes=known.get("sizes", {}),
        names=known.get("names", {}),
        bounds=[_number(bound) if bound is not None else "none" for bound in fitted.get("bounds", [])],
        scores=rows,
        how=scores.get("how", "cross-validation"),
        r2=scores.get("r2", [None])[0],
        kendall=scores.get("kendall", [None])[0],
        params=sorted(description["params"].items()),
        config=sorted((metadata.get("config") or {}).items()),
        versions=sorted(description["versions"].items()),
    )


def _plain(value: Any) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
