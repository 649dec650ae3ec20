"""The sections of a report, each from data to HTML; an empty text where there is nothing to say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.report import front_plots, plots
from nnstruct.report.images import image
from nnstruct.templates import render

if TYPE_CHECKING:
    import pandas as pd

    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors import Evaluation
    from nnstruct.structure import Structure

DRAWN = 3
FEW = 400  # edges up to which a drawing is lines


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
        (f"{len(bench.table):,}", f"{_rows_of(bench)} on {', '.join(sorted(set(bench.table['task'])))}"),
        (_ceiling_value(bench), "noise ceiling: the highest R2 to expect of any predictor"),
    ]
    if evaluation is not None:
        best = evaluation.table["r2"].idxmax()
        facts.append((f"{evaluation.table['r2'].max():.2f}", f"R2 of the best predictor, {best}"))
    scores = _asked(history)["score"].to_numpy() if history is not None else np.zeros(0)
    if len(scores):
        facts.append((f"{scores.max():.3f}", f"best of {len(scores)} structures that the search chose"))
    return _section("headline", facts=facts)


def done(steps: Sequence[tuple[str, float]]) -> str:
    """What was done, and how long it took."""
    return _section("done", steps=steps) if steps else ""


def labels(bench: Benchmark) -> str:
    """How the labels are spread and what the seeds allow."""
    seeds = bench.y_count
    what = plots.label_words(bench)
    return _section(
        "labels",
        what=what,
        times=f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}",
        most=seeds.max(),
        y=bench.y,
        ceiling=bench.noise_ceiling,
        diverged=0 if "status" not in bench.table else int((bench.table["status"] != "ok").sum()),
        picture=image(lambda ax: plots.label_histogram(ax, bench), f"Histogram of the {what}"),
    )


def predictors(evaluation: Evaluation | None) -> str:
    """R2 of each predictor beside the ceiling, and the table of all scores."""
    if evaluation is None:
        return ""
    height = 1.2 + 0.36 * len(evaluation.table)
    picture = image(
        lambda ax: plots.r2_bars(ax, evaluation), "R2 of each predictor", width=5.0, height=height
    )
    return _section("predictors", evaluation=evaluation, scores=evaluation.scores, picture=picture)


def unseen(held_out: HeldOut | None, bench: Benchmark) -> str:
    """Predictions of structures that were held back, beside the truth."""
    if held_out is None:
        return ""
    name = label_name(bench)
    picture = image(
        lambda ax: plots.predicted_against_true(ax, held_out.y, held_out.mean, held_out.std, label=name),
        f"Predicted against measured {name}",
    )
    inside = float(np.mean(np.abs(held_out.y - held_out.mean) <= plots.Z90 * held_out.std))
    return _section("unseen", held_out=held_out, inside=inside, picture=picture)


def extremes(bench: Benchmark, found: Benchmark | None) -> str:
    """The best and the worst structures, drawn."""
    pool = bench if found is None else bench.merge(found)
    from_search = set() if found is None else set(found.fingerprints) - set(bench.fingerprints)
    order = np.argsort(-pool.y, kind="stable")
    count = min(DRAWN, len(order) // 2)
    if not count:
        return ""

    def drawn(index: int) -> dict[str, Any]:
        structure: Structure = pool.structures[index]
        origin = "the search" if structure.fingerprint in from_search else origin_of(structure)
        return _net(structure, pool.y[index], pool.y_std[index], origin, "net")

    ends = (("Best", order[:count]), ("Worst", order[-count:]))
    return _section("extremes", groups=[(title, [drawn(int(index)) for index in end]) for title, end in ends])


def _net(structure: Structure, y: float, spread: float, origin: str, group: str) -> dict[str, Any]:
    """A structure in a row of drawings, each of which opens large."""
    words = (
        f"{structure.num_units} units in {structure.num_layers} layers, "
        f"{structure.forward_edges.shape[1]} forward edges"
    )
    return {
        "y": y,
        "spread": spread,
        "words": words,
        "origin": origin,
        "fingerprint": structure.fingerprint,
        "id": f"{group}-{structure.fingerprint[:12]}",
        "picture": drawing(structure, words, 4.2, 2.9),
        "large": drawing(structure, f"{words}, large", 9.0, 6.2),
    }


def drawing(structure: Structure, words: str, width: float, height: float) -> str:
    """A structure as a picture: lines where they are few, points where they are many."""
    kind = "svg" if structure.num_edges <= FEW else "png"
    return image(lambda ax: structure.plot(ax, title=""), words, width=width, height=height, kind=kind)


def search(
    bench: Benchmark,
    history: pd.DataFrame | None,
    unguided: pd.DataFrame | None = None,
    structures: Mapping[str, Structure] | None = None,
) -> str:
    """What the guide chose, and how it turned out, beside a search without a guide."""
    if history is None or not len(_asked(history)):
        return ""
    asked, known, name = _asked(history), bench.y, label_name(bench)
    score = asked["score"].to_numpy()
    beside = None if unguided is None or not len(_asked(unguided)) else _asked(unguided)["score"].to_numpy()
    pictures = [
        image(
            lambda ax: plots.search_history(ax, history, known=known, label=name, unguided=beside),
            "Score of each trial",
            width=4.6, height=3.7,
        )
    ]  # fmt: skip
    if len(history.attrs.get("objectives", [])) > 1:
        pictures.append(
            image(
                lambda ax: front_plots.pareto_front(ax, history), "Objectives of all that was trained",
                width=5.4, height=4.1,
            )
        )  # fmt: skip
    guided = asked[np.isfinite(asked["prediction"])]
    if len(guided) > 1:
        values = (guided[column].to_numpy() for column in ("score", "prediction", "std"))
        measured, mean, std = values
        pictures.append(
            image(
                lambda ax: plots.predicted_against_true(ax, measured, mean, std, label=name),
                "Predicted against measured score of the trials", width=4.6, height=3.7,
            )
        )  # fmt: skip
    searches = [("guided", "Best of the guided search", asked)]
    if beside is not None and unguided is not None:
        searches.append(("unguided", "Best of the unguided search", _asked(unguided)))
    drawn = [(title, _best(rows, structures or {}, group)) for group, title, rows in searches]
    return _section(
        "search",
        groups=[(title, nets) for title, nets in drawn if nets],
        known=known,
        score=score,
        fresh=int((asked["operator"] == "prior").sum()),
        above=float(np.mean(score > np.median(known))),
        pictures=pictures,
        beside=beside,
        both=len(score) if beside is None else min(len(score), len(beside)),
    )


def _best(asked: pd.DataFrame, structures: Mapping[str, Structure], group: str) -> list[dict[str, Any]]:
    """The best of a search, drawn, where it is known which structures they are."""
    if "fingerprint" not in asked:
        return []
    rows = asked[asked["fingerprint"].isin(list(structures))].sort_values("score", ascending=False)
    best = rows.drop_duplicates("fingerprint").head(DRAWN)
    return [
        _net(structures[row["fingerprint"]], row["score"], math.nan, _steps(row["operator"]), group)
        for row in best.to_dict("records")
    ]


def _steps(operator: str) -> str:
    """What made a structure, in words: ``crossover+add_edge`` is "crossover, add edge"."""
    return operator.replace("+", ", ").replace("_", " ")


def next_steps(commands: Sequence[tuple[str, str]]) -> str:
    """Commands that go on from here."""
    return _section("next_steps", commands=commands) if commands else ""


def provenance(facts: Sequence[tuple[str, str]]) -> str:
    """Versions, seeds, command and machine."""
    return _section("provenance", facts=facts) if facts else ""


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
    return short.get(bench.target, bench.target).replace("accuracy", plots.score_words(bench))


def origin_of(structure: Structure) -> str:
    """The prior that drew a structure, or what else it says of its origin."""
    return str(structure.origin.get("prior") or structure.origin.get("kind") or "the user")


def _asked(history: pd.DataFrame) -> pd.DataFrame:
    return history[(history["operator"] != "told") & np.isfinite(history["score"])]


def _rows_of(bench: Benchmark) -> str:
    """What a row of the table is: a training, or a score from elsewhere."""
    return "trainings" if "status" in bench.table else "scores"


def _ceiling_value(bench: Benchmark) -> str:
    ceiling = bench.noise_ceiling
    return f"{ceiling.value:.2f}" if math.isfinite(ceiling.value) and not ceiling.note else "unknown"


def _section(name: str, **values: Any) -> str:
    return render("nnstruct.report", f"{name}.html", **values)
