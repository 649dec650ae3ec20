"""The sections of a report, each from data to HTML; an empty text where there is nothing to say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.report import plots
from nnstruct.report.images import image

if TYPE_CHECKING:
    import pandas as pd

    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors import Evaluation
    from nnstruct.structure import Structure

DRAWN = 3
_SCORES = (("R2", "r2", 3), ("MAE", "mae", 4), ("RMSE", "rmse", 4), ("Kendall tau", "kendall", 3),
           ("Spearman", "spearman", 3))  # fmt: skip


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions of structures that the predictor has not seen, beside the truth.

    Attributes
    ----------
    predictor : str
        Its name.
    y, mean, std : float [n]
        Measured label, predicted mean and standard deviation.
    r2, kendall : float
        Scores of the predictions.
    """

    predictor: str
    y: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    r2: float
    kendall: float


def headline(bench: Benchmark, evaluation: Evaluation | None, history: pd.DataFrame | None) -> str:
    """The few numbers that matter, as cards."""
    facts = [
        (f"{len(bench):,}", f"structures of {', '.join(families(bench))}"),
        (f"{len(bench.table):,}", f"trainings on {', '.join(sorted(set(bench.table['task'])))}"),
        (_ceiling_value(bench), "noise ceiling: the highest R2 to expect of any predictor"),
    ]
    if evaluation is not None:
        best = evaluation.table["r2"].idxmax()
        facts.append((f"{evaluation.table['r2'].max():.2f}", f"R2 of the best predictor, {best}"))
    scores = _asked(history)["score"].to_numpy() if history is not None else np.zeros(0)
    if len(scores):
        facts.append((f"{scores.max():.3f}", f"best of {len(scores)} structures that the search chose"))
    cards = (
        f'<div class="fact"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in facts
    )
    return f'<div class="facts">{"".join(cards)}</div>'


def done(steps: Sequence[tuple[str, float]]) -> str:
    """What was done, and how long it took."""
    if not steps:
        return ""
    items = "".join(
        f'<li>{escape(text)} <span class="seconds">({seconds:.1f} s)</span></li>' for text, seconds in steps
    )
    return _section("What was done", f"<ol>{items}</ol>")


def labels(bench: Benchmark) -> str:
    """How the labels are spread and what the seeds allow."""
    from nnstruct.benchmark.targets import DESCRIPTIONS

    y, seeds, ceiling = bench.y, bench.y_count, bench.noise_ceiling
    what = DESCRIPTIONS.get(bench.target, bench.target)
    times = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    text = [
        f"The label of a structure is its {what}, as the mean over {times} "
        f"seed{'s' if seeds.max() > 1 else ''}: {y.min():.3f} to {y.max():.3f}, on average {y.mean():.3f}."
    ]
    if math.isfinite(ceiling.value):
        needed = (
            f"{ceiling.seeds_for_90:.0f} seeds a structure would lift it to 0.9."
            if math.isfinite(ceiling.seeds_for_90)
            else "No number of seeds would lift it, because the structures do not differ."
        )
        text.append(
            "Two trainings of one structure end differently, and no predictor can know how. That leaves "
            f"an R2 of <b>{ceiling.value:.2f}</b> as the most to expect of any predictor "
            f"({ceiling.confidence:.0%} interval {ceiling.low:.2f} to {ceiling.high:.2f}). {needed}"
        )
    else:
        text.append(f"The noise ceiling is unknown: {escape(ceiling.note)}.")
    diverged = int((bench.table["status"] != "ok").sum())
    if diverged:
        text.append(f"{diverged} trainings diverged; they count for no label.")
    picture = image(lambda ax: plots.label_histogram(ax, bench), f"Histogram of the {what}")
    return _section(
        "The labels",
        f'<div class="pair"><div>{_paragraphs(text)}</div><figure>{picture}</figure></div>',
    )


def predictors(evaluation: Evaluation | None) -> str:
    """R2 of each predictor beside the ceiling, and the table of all scores."""
    if evaluation is None:
        return ""
    times = f"{evaluation.repeats} x {evaluation.folds}-fold cross-validation"
    text = [
        f"Each predictor was fitted to a part of the structures and asked about the rest ({times}; "
        "equal structures always on one side). Dark lines are "
        f"{evaluation.confidence:.0%} intervals; the band is the interval of the noise ceiling."
    ]
    height = 1.2 + 0.36 * len(evaluation.table)
    picture = image(
        lambda ax: plots.r2_bars(ax, evaluation), "R2 of each predictor", width=6.4, height=height
    )
    return _section(
        "Predictors", _paragraphs(text) + f'<figure class="one">{picture}</figure>' + _score_table(evaluation)
    )


def _score_table(evaluation: Evaluation) -> str:
    head = "".join(f"<th>{title}</th>" for title, _, _ in _SCORES)
    rows = []
    for name, row in evaluation.table.sort_values("r2", ascending=False).iterrows():
        cells = "".join(
            f"<td>{_number(row[key], places)} "
            f"<small>[{_number(row[f'{key}_low'], places)}, {_number(row[f'{key}_high'], places)}]"
            "</small></td>"
            for _, key, places in _SCORES
        )
        rows.append(
            f"<tr><td>{escape(str(name))}</td>{cells}<td>{_number(row['coverage_90'], 2)}</td>"
            f"<td>{_number(row['fit_seconds'], 2)}</td></tr>"
        )
    value, low, high = evaluation.noise_ceiling
    if math.isfinite(value):
        rows.append(
            f'<tr class="ceiling"><td>noise ceiling</td><td>{value:.3f} '
            f"<small>[{_number(low, 3)}, {_number(high, 3)}]</small></td>"
            f'<td colspan="{len(_SCORES) + 1}"></td></tr>'
        )
    return (
        f'<div class="wide"><table><thead><tr><th>predictor</th>{head}<th>inside 90%</th><th>fit [s]</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def unseen(held_out: HeldOut | None, bench: Benchmark) -> str:
    """Predictions of structures that were held back, beside the truth."""
    if held_out is None:
        return ""
    inside = float(np.mean(np.abs(held_out.y - held_out.mean) <= plots.Z90 * held_out.std))
    verdict = (
        f"explain <b>{held_out.r2:.0%}</b> of what distinguishes them (R2 {held_out.r2:.3f})"
        if held_out.r2 > 0
        else f"are no better than their mean (R2 {held_out.r2:.3f})"
    )
    text = [
        f"{len(held_out.y)} structures were put aside before {escape(held_out.predictor)} was fitted. Its "
        f"predictions {verdict} and order them with a Kendall tau of <b>{held_out.kendall:.2f}</b>.",
        f"The bars are its 90% intervals; {inside:.0%} of the structures lie inside theirs.",
    ]
    name = label_name(bench)
    picture = image(
        lambda ax: plots.predicted_against_true(ax, held_out.y, held_out.mean, held_out.std, label=name),
        f"Predicted against measured {name}",
    )
    return _section(
        "Structures never seen",
        f'<div class="pair"><div>{_paragraphs(text)}</div><figure>{picture}</figure></div>',
    )


def extremes(bench: Benchmark, found: Benchmark | None) -> str:
    """The best and the worst structures, drawn."""
    pool = bench if found is None else bench.merge(found)
    from_search = set() if found is None else set(found.fingerprints) - set(bench.fingerprints)
    y, spread = pool.y, pool.y_std
    order = np.argsort(-y, kind="stable")
    count = min(DRAWN, len(order) // 2)
    if not count:
        return ""

    def drawn(index: int) -> str:
        structure: Structure = pool.structures[index]
        origin = "the search" if structure.fingerprint in from_search else origin_of(structure)
        error = f" ± {spread[index]:.3f}" if math.isfinite(spread[index]) else ""
        words = (
            f"{structure.num_units} units in {structure.num_layers} layers, "
            f"{structure.forward_edges.shape[1]} forward edges"
        )
        picture = image(lambda ax: structure.plot(ax, title=""), words, width=4.2, height=2.9, kind="png")
        return (
            f"<figure>{picture}<figcaption><b>{y[index]:.3f}</b>{error}; {words}; from {escape(origin)}; "
            f"<code>{structure.fingerprint[:8]}</code></figcaption></figure>"
        )

    best = "".join(drawn(int(index)) for index in order[:count])
    worst = "".join(drawn(int(index)) for index in order[-count:])
    text = (
        "Layers run from left to right: inputs green, outputs orange; blue edges lead to the next layer, "
        "red ones skip layers. Recurrent edges are not drawn. ± is the standard deviation between seeds."
    )
    return _section(
        "Best and worst structures",
        f'<p>{text}</p><h3>Best</h3><div class="nets">{best}</div>'
        f'<h3>Worst</h3><div class="nets">{worst}</div>',
    )


def search(bench: Benchmark, history: pd.DataFrame | None) -> str:
    """What the guide chose, and how it turned out."""
    if history is None or not len(_asked(history)):
        return ""
    asked, y, name = _asked(history), bench.y, label_name(bench)
    score = asked["score"].to_numpy()
    above = float(np.mean(score > np.median(y)))
    fresh = int((asked["operator"] == "prior").sum())
    text = [
        f"The guide started from {len(y)} known structures and screened many offspring for each of the "
        f"{len(asked)} that were trained ({fresh} of them fresh draws from the priors, to keep it curious). "
        f"<b>{above:.0%}</b> of them are better than the median of the benchmark; the best reached "
        f"<b>{score.max():.3f}</b>, where the best known before had {y.max():.3f}.",
        "Both are the largest of many noisy values, so each is a little too good: train the winners with "
        "more seeds before you rely on them.",
    ]
    pictures = [
        image(
            lambda ax: plots.search_history(ax, history, known=y, label=name), "Score of each trial",
            width=5.4, height=4.1,
        )
    ]  # fmt: skip
    guided = asked[np.isfinite(asked["prediction"])]
    if len(guided) > 1:
        values = (guided[column].to_numpy() for column in ("score", "prediction", "std"))
        measured, mean, std = values
        pictures.append(
            image(
                lambda ax: plots.predicted_against_true(ax, measured, mean, std, label=name),
                "Predicted against measured score of the trials", width=5.4, height=4.1,
            )
        )  # fmt: skip
    figures = "".join(f"<figure>{picture}</figure>" for picture in pictures)
    return _section("Search", _paragraphs(text) + f'<div class="pair">{figures}</div>')


def next_steps(commands: Sequence[tuple[str, str]]) -> str:
    """Commands that go on from here."""
    if not commands:
        return ""
    items = "".join(f"<p>{escape(what)}</p><pre>{escape(command)}</pre>" for what, command in commands)
    return _section("How to go on", items)


def families(bench: Benchmark) -> list[str]:
    """Families of a benchmark's structures."""
    return sorted({structure.family for structure in bench.structures})


def label_name(bench: Benchmark) -> str:
    """What the label is, in few words for an axis."""
    short = {
        "test": "test accuracy", "val_last": "validation accuracy", "val_best": "best validation accuracy",
        "val_mean3": "late validation accuracy", "val_auc": "mean validation accuracy",
        "neg_test_loss": "negative test loss", "neg_val_loss": "negative validation loss",
        "neg_log_test_loss": "negative log test loss", "neg_log_val_loss": "negative log validation loss",
    }  # fmt: skip
    return short.get(bench.target, bench.target)


def origin_of(structure: Structure) -> str:
    """The prior that drew a structure, or what else it says of its origin."""
    return str(structure.origin.get("prior") or structure.origin.get("kind") or "the user")


def _asked(history: pd.DataFrame) -> pd.DataFrame:
    return history[(history["operator"] != "told") & np.isfinite(history["score"])]


def _ceiling_value(bench: Benchmark) -> str:
    value = bench.noise_ceiling.value
    return f"{value:.2f}" if math.isfinite(value) else "unknown"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _paragraphs(texts: Sequence[str]) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}" if math.isfinite(value) else "-"
