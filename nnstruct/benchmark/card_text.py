"""The text of a dataset card."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from nnstruct import templates
from nnstruct.benchmark.facts import QUANTILES, SPLIT_SEED, SPLIT_TEST
from nnstruct.benchmark.targets import DESCRIPTIONS, described
from nnstruct.structure.families import FAMILIES
from nnstruct.tasks.metrics import metric_title

_YAML_PLAIN = re.compile(r"[A-Za-z][\w .,()/-]*[\w.)]", re.ASCII)
MARKER = "<!-- Text below this line is kept when the card is written again. -->"
# A card with more configurations lists them in one table.
MOST_SECTIONS = 8
_BAR = 40

_COLUMNS = {
    "records": (
        ("fingerprint", "string", "the structure; the same under every relabelling of its units"),
        ("family", "string", "of the structure"),
        ("task", "string", "name of the task"),
        ("task_fingerprint", "string", "of the task's data"),
        ("config_id", "string", "of the training configuration"),
        ("seed", "int64", "decides the initial weights and the order of the batches"),
        ("status", "string", "`ok`, or `diverged` where the training loss was no longer finite"),
        ("train_loss", "list of float64", "mean training loss, one value an epoch"),
        ("val_loss", "list of float64", "validation loss, one value an epoch"),
        ("val", "list of float64", "validation {score}, one value an epoch"),
        ("test", "float64", "test {score} after the last epoch"),
        ("test_loss", "float64", "test loss after the last epoch"),
        ("parameters", "int64", "trainable scalars; a masked weight is none"),
    ),
    "structures": (
        ("fingerprint", "string", "key of the records"),
        ("family", "string", f"one of {', '.join(FAMILIES)}"),
        ("num_units", "int32", "units, numbered from 0"),
        ("edge_source, edge_target", "list of int32", "one value an edge"),
        ("edge_recurrent", "list of bool", "whether the edge acts one step later"),
        ("unit_input, unit_output", "list of bool", "whether the unit sees the input, and the read-out it"),
        ("unit_attributes", "string", "JSON: operator, activation, stage, channels or join of each unit"),
        ("origin", "string", "JSON: where the structure came from"),
    ),
    "costs": (
        ("fingerprint, config_id, seed", "", "key of the record"),
        ("seconds", "float64", "of one CPU core, or of the network's share of a GPU; measured"),
        ("engine", "string", "that trained the network"),
    ),
}


def render(counted: dict[str, Any], *, has_recipe: bool) -> str:
    """The card of the numbers from :func:`nnstruct.benchmark.facts.facts`, with its last line.

    Parameters
    ----------
    counted : dict
    has_recipe : bool
        Whether the folder holds the recipe, so that the card need not tell how to train without it.

    Returns
    -------
    str
    """
    families = {row["family"] for config in counted["configs"].values() for row in config["groups"]}
    score = metric_title(counted["metric"])
    return templates.render(
        "nnstruct.benchmark",
        "card.md",
        card=counted,
        has_recipe=has_recipe,
        tags=[family.replace("_", "-") for family in sorted(families)],
        size_category=_size_category(counted["records"]),
        score=score,
        tables=_columns(score),
        descriptions={target: described(target, counted["metric"]) for target in DESCRIPTIONS},
        quantiles=QUANTILES,
        split_test=SPLIT_TEST,
        split_seed=SPLIT_SEED,
        marker=MARKER,
        most_sections=MOST_SECTIONS,
        nan=math.nan,
        **{function.__name__.strip("_"): function for function in _SPELLED},
        repr=repr,
    )


def _columns(score: str) -> dict[str, list[tuple[str, str, str]]]:
    """Columns of each table, with the name of the metric in what they mean."""
    return {
        table: [(name, kind, meaning.replace("{score}", score)) for name, kind, meaning in columns]
        for table, columns in _COLUMNS.items()
    }


def _size_category(records: int) -> str:
    sizes = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
    return next((name for limit, name in sizes if records < limit), "10M<n<100M")


# ---- how the templates spell what they are given


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "unknown"


def _numbers(values: Iterable[float]) -> str:
    return " | ".join(map(_number, values))


def _signed(value: float) -> str:
    return f"{value:+.4f}" if math.isfinite(value) else "unknown"


def _span(span: dict[str, float]) -> str:
    return f"{span['min']}, {span['median']:g}, {span['max']}"


def _seeds(value: float) -> str:
    return "unreachable" if math.isinf(value) else f"{value:.0f}"


def _shares(quantiles: Iterable[str | float]) -> str:
    return " | ".join(f"{100 * float(quantile):g}%" for quantile in quantiles)


def _of_quantiles(test: dict[str, Any]) -> list[float]:
    return [test["quantiles"].get(f"{quantile:g}", math.nan) for quantile in QUANTILES]


def _bar(count: int, most: int) -> str:
    return f"{'#' * math.ceil(_BAR * count / most):<{_BAR}}"


def _notes(config: dict[str, Any]) -> list[str]:
    return sorted({ceiling["note"] for ceiling in config["ceilings"].values() if ceiling["note"]})


def _plain(name: str) -> str:
    """A name in a heading or in a cell of a table: one line, without what Markdown gives a meaning."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(name.split()))


def _quoted(name: str) -> str:
    """A name as Python's literal, in double quotes as in all examples."""
    return json.dumps(name)


def _yaml_text(text: str) -> str:
    """A text in YAML: as it is where it can be nothing else, otherwise quoted, as JSON is."""
    return text if _YAML_PLAIN.fullmatch(text) else json.dumps(text)


_SPELLED = (
    _plain, _quoted, _yaml_text, _number, _numbers, _signed, _span, _seeds, _shares, _of_quantiles, _bar,
    _notes,
)  # fmt: skip
