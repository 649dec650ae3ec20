"""The text of a dataset card."""

from __future__ import annotations

import math
from typing import Any

from nnstruct.benchmark.facts import QUANTILES, SPLIT_SEED, SPLIT_TEST
from nnstruct.benchmark.targets import DESCRIPTIONS
from nnstruct.structure.families import FAMILIES

MARKER = "<!-- Text below this line is kept when the card is written again. -->"
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
        ("val", "list of float64", "validation accuracy, one value an epoch"),
        ("test", "float64", "test accuracy after the last epoch"),
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
    """The card of the numbers from :func:`nnstruct.benchmark.facts.facts`, with its last line."""
    parts = [_front_matter(counted), _summary(counted)]
    for name, config in counted["configs"].items():
        parts.append(_config(name, config))
    if counted["compared"]:
        parts.append(_compared(counted["compared"]))
    parts += [_columns(), _use(counted), _origin(counted, has_recipe)]
    return "\n\n".join(parts) + f"\n\n{MARKER}\n"


def _front_matter(counted: dict[str, Any]) -> str:
    families = sorted({row["family"] for config in counted["configs"].values() for row in config["groups"]})
    return "\n".join(
        [
            "---",
            "license: mit",
            f"pretty_name: {_title(counted)}",
            "task_categories:",
            "- tabular-regression",
            "- graph-ml",
            "tags:",
            "- neural-architecture-search",
            "- performance-prediction",
            "- nnstruct",
            *(f"- {family.replace('_', '-')}" for family in families),
            "size_categories:",
            f"- {_size_category(counted['records'])}",
            "configs:",
            "- config_name: records",
            "  default: true",
            "  data_files: data/records.parquet",
            "- config_name: structures",
            "  data_files: data/structures.parquet",
            "- config_name: costs",
            "  data_files: data/costs.parquet",
            "---",
        ]
    )


def _title(counted: dict[str, Any]) -> str:
    return f"Structures trained on {counted['task']}"


def _size_category(records: int) -> str:
    sizes = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
    return next((name for limit, name in sizes if records < limit), "10M<n<100M")


def _summary(counted: dict[str, Any]) -> str:
    seeds = ", ".join(str(seed) for seed in counted["seeds"])
    engines = ", ".join(f"{name or 'unknown'} {n}" for name, n in counted["engines"].items())
    return "\n".join(
        [
            f"# {_title(counted)}",
            "",
            "Neural networks of many structures, each trained from several seeds: what a predictor of",
            "performance from structure learns from.",
            "",
            "| | |",
            "|---|---|",
            f"| task | {counted['task']} (data `{counted['task_fingerprint']}`) |",
            f"| structures | {counted['structures']} |",
            f"| records (structure, configuration, seed) | {counted['records']} |",
            f"| diverged trainings | {counted['diverged']} |",
            f"| seeds | {seeds} |",
            f"| CPU hours | {counted['cpu_hours']:.4f} |",
            f"| records by engine | {engines} |",
            f"| units (least, median, most) | {_span(counted['units'])} |",
            f"| forward edges (least, median, most) | {_span(counted['forward_edges'])} |",
            f"| recurrent edges (least, median, most) | {_span(counted['recurrent_edges'])} |",
        ]
    )


def _config(name: str, config: dict[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in config["config"].items()) or "not recorded"
    lines = [
        f"## Configuration `{name}`",
        "",
        f"{settings}.",
        "",
        f"{config['labelled']} structures with a label, {config['unlabelled']} without; "
        f"{config['records']} records; seeds a structure (least, median, most): "
        f"{_span(config['seeds_per_structure'])}.",
        "",
        "| family | prior | structures | records | mean test accuracy |",
        "|---|---|---|---|---|",
        *(
            f"| {row['family']} | {row['prior']} | {row['structures']} | {row['records']} "
            f"| {_number(row['mean_test'])} |"
            for row in config["groups"]
        ),
    ]
    return "\n".join(
        [
            *lines,
            "",
            *_distribution(config["test"]),
            "",
            *_ceilings(config),
            "",
            *_by_family(config["families"]),
            *_split(config),
        ]
    )


def _distribution(test: dict[str, Any]) -> list[str]:
    if not test["counts"]:
        return ["No structure has a finite test accuracy."]
    most = max(test["counts"])
    quantiles = test["quantiles"]
    return [
        "Test accuracy, mean over the seeds of each structure:",
        "",
        f"| mean | sd | {' | '.join(f'{100 * float(q):g}%' for q in quantiles)} |",
        "|" + "---|" * (2 + len(quantiles)),
        f"| {_number(test['mean'])} | {_number(test['sd'])} "
        f"| {' | '.join(_number(value) for value in quantiles.values())} |",
        "",
        "```text",
        *(
            f"{low:.2f} to {high:.2f} |{'#' * math.ceil(_BAR * count / most):<{_BAR}}| {count}"
            for low, high, count in zip(test["edges"], test["edges"][1:], test["counts"], strict=False)
        ),
        "```",
    ]


def _ceilings(config: dict[str, Any]) -> list[str]:
    lines = [
        "Noise ceiling: the largest R2 that any predictor of a target can be expected to reach, given the",
        "spread between seeds (one-way random effects, ICC(1, k); Shrout and Fleiss, 1979), with its 95%",
        "interval by a bootstrap over structures; the ceiling for one seed; the seeds for a ceiling of 0.9.",
        "",
        "| target | ceiling | 95% interval | one seed | seeds for 0.9 | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for name, ceiling in config["ceilings"].items():
        if ceiling["note"]:
            lines.append(f"| {name} | unknown | | | | {DESCRIPTIONS[name]} |")
            continue
        seeds = ceiling["seeds_for_90"]
        lines.append(
            f"| {name} | {_number(ceiling['value'])} "
            f"| {_number(ceiling['low'])} to {_number(ceiling['high'])} | {_number(ceiling['single_seed'])} "
            f"| {'unreachable' if math.isinf(seeds) else f'{seeds:.0f}'} | {DESCRIPTIONS[name]} |"
        )
    notes = sorted({ceiling["note"] for ceiling in config["ceilings"].values() if ceiling["note"]})
    return lines + [f"\nUnknown: {note}." for note in notes]


def _by_family(families: dict[str, Any]) -> list[str]:
    """Spread and ceilings of each family, where there are several."""
    if len(families) < 2:
        return []
    quantiles = [f"{q:g}" for q in QUANTILES]
    heads = " | ".join(f"{100 * q:g}%" for q in QUANTILES)
    lines = [
        "Mean test accuracy by family:",
        "",
        f"| family | structures | seeds | mean | sd | {heads} |",
        "|" + "---|" * (5 + len(quantiles)),
    ]
    for name, family in families.items():
        test = family["test"]
        values = [test["mean"], test["sd"], *(test["quantiles"].get(q, math.nan) for q in quantiles)]
        lines.append(
            f"| {name} | {family['structures']} | {_span(family['seeds_per_structure'])} "
            f"| {' | '.join(_number(value) for value in values)} |"
        )
    lines += [
        "",
        "Noise ceiling by family, with the seeds for a ceiling of 0.9:",
        "",
        f"| target | {' | '.join(families)} |",
        "|" + "---|" * (1 + len(families)),
    ]
    for target in next(iter(families.values()))["ceilings"]:
        cells = [_short_ceiling(family["ceilings"][target]) for family in families.values()]
        lines.append(f"| {target} | {' | '.join(cells)} |")
    return [*lines, ""]


def _short_ceiling(ceiling: dict[str, Any]) -> str:
    if ceiling["note"]:
        return "unknown"
    seeds = "unreachable" if math.isinf(ceiling["seeds_for_90"]) else f"{ceiling['seeds_for_90']:.0f}"
    return f"{_number(ceiling['value'])} ({seeds})"


def _split(config: dict[str, Any]) -> list[str]:
    split = config["split"]
    return [
        f"Split by fingerprint, `bench.split(test={SPLIT_TEST}, seed={SPLIT_SEED})`: "
        f"{split['train']} structures to train on, {split['test']} to test on."
    ]


def _compared(rows: list[dict[str, Any]]) -> str:
    lines = [
        "## The configurations side by side",
        "",
        "Mean test accuracy of the structures that have a label under both configurations, the difference",
        "with its 95% interval by Student's t over structures, and Pearson's correlation of the two labels.",
    ]
    pair = None
    for row in rows:
        if pair != (row["first"], row["second"]):
            pair = row["first"], row["second"]
            changes = "; ".join(f"{key} {old} to {new}" for key, (old, new) in row["changes"].items())
            lines += [
                "",
                f"From `{row['first']}` to `{row['second']}`: {changes}.",
                "",
                "| family | structures | first | second | second less first | correlation |",
                "|---|---|---|---|---|---|",
            ]
        lines.append(
            f"| {row['family']} | {row['structures']} | {_number(row['mean_first'])} "
            f"| {_number(row['mean_second'])} | {row['difference']:+.4f} "
            f"[{_signed(row['low'])}, {_signed(row['high'])}] | {_number(row['correlation'])} |"
        )
    return "\n".join(lines)


def _columns() -> str:
    lines = ["## Columns"]
    for name, columns in _COLUMNS.items():
        lines += ["", f"`data/{name}.parquet`", "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| {column} | {kind} | {meaning} |" for column, kind, meaning in columns]
    return "\n".join(lines)


def _use(counted: dict[str, Any]) -> str:
    several = len(counted["configs"]) > 1
    chosen = f'.select_config("{next(iter(counted["configs"]))}")' if several else ""
    return "\n".join(
        [
            "## Use",
            "",
            "```python",
            "import nnstruct as ns",
            "",
            f'bench = ns.Benchmark.load("."){chosen}',
            "train, test = bench.split(test=0.2, seed=0)  # by fingerprint",
            "print(bench.y.mean(), bench.noise_ceiling)",
            "```",
            "",
            '`datasets.load_dataset(".")` reads the records, and `load_dataset(".", "structures")` the',
            "structures.",
        ]
    )


def _origin(counted: dict[str, Any], has_recipe: bool) -> str:
    lines = ["## How it was made", ""]
    if has_recipe:
        lines += ["`recipe.toml` in this folder holds the settings:", "", "```bash"]
        lines += ["nnstruct build recipe.toml", "```"]
    else:
        lines += ["The same structures can be trained again:", "", "```python"]
        lines += ["import nnstruct as ns", "", 'stored = ns.Benchmark.load(".")']
        for config in counted["configs"].values():
            settings = ", ".join(f"{key}={value!r}" for key, value in config["config"].items())
            lines += [
                f"config = ns.TrainConfig({settings})",
                f'ns.build("{counted["task"]}", stored.structures + stored.unlabelled, '
                f'seeds={counted["seeds"]}, config=config, out="again")',
            ]
        lines += ["```"]
    return "\n".join(
        [
            *lines,
            "",
            "`data/records.parquet` comes out the same byte for byte with one release of the libraries that",
            "`manifest.json` lists, on one kind of machine; `data/costs.parquet` is measured and does not.",
            "The numbers above are counted again from the files, and differences listed, by:",
            "",
            "```bash",
            "python -c \"import nnstruct.benchmark as b; print(b.check_card('.'))\"",
            "```",
        ]
    )


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "unknown"


def _signed(value: float) -> str:
    return f"{value:+.4f}" if math.isfinite(value) else "unknown"


def _span(span: dict[str, float]) -> str:
    return f"{span['min']}, {span['median']:g}, {span['max']}"
