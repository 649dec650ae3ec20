"""The plots of a report. Each draws on the matplotlib Axes given and returns it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors import Evaluation

BLUE, ORANGE, GREEN, INK, GREY, PALE = "#3a6ea5", "#d1661e", "#2a8f80", "#22303c", "#8a97a3", "#dfe5ea"
# Half the width of a normal distribution's central 90%, in standard deviations.
Z90 = 1.6449


def score_words(bench: Benchmark) -> str:
    """What the networks of a benchmark were scored by.

    Parameters
    ----------
    bench : Benchmark

    Returns
    -------
    str
        The metric's title; ``score`` of scores from elsewhere, which do not tell.
    """
    from nnstruct.tasks.metrics import metric_title

    return metric_title(bench.metric) if "status" in bench.table else "score"


def label_words(bench: Benchmark) -> str:
    """What a benchmark's label is, in words.

    Parameters
    ----------
    bench : Benchmark

    Returns
    -------
    str
    """
    from nnstruct.benchmark.targets import described

    if "status" not in bench.table:
        return f"{bench.target} score, as it was given"
    return described(bench.target, bench.metric)


def label_histogram(ax: Axes, bench: Benchmark, *, bins: int = 24) -> Axes:
    """How the labels of a benchmark are spread, and how far the seeds move one.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    bench : Benchmark
    bins : int
        Bars.

    Returns
    -------
    matplotlib.axes.Axes
    """
    y = bench.y
    counts, _, _ = ax.hist(y, bins=bins, color=BLUE, edgecolor="white", linewidth=0.6)
    ax.axvline(float(np.median(y)), color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    top = float(np.max(counts)) * 1.16
    ax.set_ylim(0, top * 1.08)
    ax.annotate(
        "median", (float(np.median(y)), top), xytext=(-4, 0), textcoords="offset points", ha="right",
        va="center", fontsize=8.5, color=INK,
    )  # fmt: skip
    spread = bench.y_std[np.isfinite(bench.y_std)]
    if len(spread):
        # The label is a mean over seeds, so its own error is smaller than one seed's.
        width = float(np.sqrt(np.mean(spread**2) / max(1.0, float(bench.y_count.mean()))))
        left = float(y.min())
        ax.plot([left, left + 2 * width], [top, top], color=ORANGE, linewidth=3, solid_capstyle="butt")
        ax.annotate(
            "seeds alone: ± 1 sd", (left, top), xytext=(0, -9), textcoords="offset points", va="top",
            fontsize=8.5, color=ORANGE,
        )  # fmt: skip
    ax.set_xlabel(_capital(label_words(bench)))
    ax.set_ylabel("Structures")
    return tidy(ax)


def predicted_against_true(
    ax: Axes,
    y: np.ndarray,
    mean: np.ndarray,
    std: np.ndarray | None = None,
    *,
    label: str = "label",
) -> Axes:
    """Predictions over the truth, with bars for the predicted 90% interval.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    y, mean : float [n]
        Truth and prediction.
    std : float [n], optional
        Predicted standard deviation.
    label : str
        What is predicted.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from nnstruct.report import plots
    >>> ax = plots.predicted_against_true(Figure().subplots(), np.array([0.1, 0.9]), np.array([0.2, 0.8]))
    >>> ax.get_ylabel()
    'Predicted label'
    """
    if np.shape(y) != np.shape(mean) or (std is not None and np.shape(std) != np.shape(y)):
        raise InvalidInputError("y, mean and std", "be of one length", [np.shape(y), np.shape(mean)])
    if std is not None:
        ax.errorbar(y, mean, yerr=Z90 * std, fmt="none", ecolor=BLUE, elinewidth=0.9, alpha=0.35, zorder=1)
    ax.scatter(y, mean, s=22, color=BLUE, edgecolors="white", linewidths=0.5, zorder=2)
    both = np.concatenate([np.asarray(y), np.asarray(mean)])
    low, high = float(np.nanmin(both)), float(np.nanmax(both))
    margin = 0.04 * (high - low) or 0.01
    ends = [low - margin, high + margin]
    ax.plot(ends, ends, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    ax.set_xlim(*ends)
    ax.set_xlabel(f"Measured {label}")
    ax.set_ylabel(f"Predicted {label}")
    return tidy(ax, grid="both")


def r2_bars(ax: Axes, evaluation: Evaluation) -> Axes:
    """R2 of each predictor with its interval; the noise ceiling as a line, its interval as a band.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    evaluation : Evaluation

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = evaluation.table.sort_values("r2")
    place = np.arange(len(table))
    r2, low, high = (table[name].to_numpy(dtype=float) for name in ("r2", "r2_low", "r2_high"))
    value, ceiling_low, ceiling_high = evaluation.noise_ceiling
    # A predictor that fails can have any R2 below 0; the others should stay readable.
    left = max(-0.5, min(-0.05, float(np.nanmin(low))))
    if np.isfinite(value):
        if np.isfinite([ceiling_low, ceiling_high]).all():
            ax.axvspan(ceiling_low, ceiling_high, color=ORANGE, alpha=0.1, linewidth=0)
        ax.axvline(value, color=ORANGE, linewidth=1.6)
        ax.annotate(
            f"noise ceiling {value:.2f}", (value, 1), xycoords=("data", "axes fraction"), xytext=(0, 4),
            textcoords="offset points", ha="center", va="bottom", fontsize=8.5, color=ORANGE,
        )  # fmt: skip
    ax.barh(place, r2, height=0.62, color=BLUE, alpha=0.85)
    ax.hlines(place, np.maximum(low, left), high, color=INK, linewidth=1.3)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(place, [str(name) for name in table.index])
    ax.set_xlim(left, 1.0)
    ax.set_xlabel("R2 on structures not seen")
    tidy(ax, grid="x")
    ax.tick_params(axis="y", length=0)
    return ax


def search_history(
    ax: Axes,
    history: pd.DataFrame,
    *,
    known: Sequence[float] | np.ndarray = (),
    label: str = "score",
    unguided: Sequence[float] | np.ndarray | None = None,
) -> Axes:
    """Score of each trial of a search, what the guide had predicted, and the best so far.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    history : pandas.DataFrame
        :attr:`nnstruct.search.Search.history`; trials that were told, not asked, are left out.
    known : float [m]
        Scores known before the search; their median and best become lines.
    label : str
        What the score is.
    unguided : float [u], optional
        Scores of a search without a guide, in the order of its trials; their best so far is drawn.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import MaxNLocator

    asked = history[(history["operator"] != "told") & np.isfinite(history["score"])]
    trial = np.arange(1, len(asked) + 1)
    score, predicted = asked["score"].to_numpy(), asked["prediction"].to_numpy()
    if np.isfinite(predicted).any():
        ax.vlines(trial, score, predicted, color=GREY, linewidth=0.8, alpha=0.6, zorder=1)
        ax.scatter(
            trial, predicted, s=20, facecolors="white", edgecolors=GREY, linewidths=1, label="predicted"
        )
    ax.scatter(trial, score, s=26, color=BLUE, edgecolors="white", linewidths=0.5, zorder=3, label="measured")
    if len(asked):
        best = np.maximum.accumulate(score)
        ax.step(trial, best, where="post", color=GREEN, linewidth=1.6, zorder=2, label="best so far")
    if unguided is not None and len(unguided):
        ax.step(
            np.arange(1, len(unguided) + 1), np.maximum.accumulate(unguided), where="post", color=INK,
            linewidth=1.2, linestyle=(0, (4, 2)), zorder=2, label="best without a guide",
        )  # fmt: skip
    if len(known):
        ax.axhline(float(np.max(known)), color=ORANGE, linewidth=1.2, label="best known before")
        ax.axhline(
            float(np.median(known)), color=ORANGE, linewidth=1, linestyle=(0, (2, 3)), label="median before"
        )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("Trial of the search")
    ax.set_ylabel(_capital(label))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3, frameon=False, fontsize=8.5)
    return tidy(ax)


def tidy(ax: Axes, *, grid: str = "y") -> Axes:
    """Take away what does not help to read: the frame above and to the right, dark grid lines."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GREY)
    ax.tick_params(colors=INK, labelsize=9)
    ax.grid(True, axis=grid, color=PALE, linewidth=0.8)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    return ax


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
