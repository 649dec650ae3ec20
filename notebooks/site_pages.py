"""Pages of the site that are made from the package: parts by name, recipe keys, scores, pictures, the API."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
ROOMS = {
    "Structures": ["structure", "network"],
    "Where structures come from": ["priors", "pruning", "extract", "tables"],
    "Training": ["tasks", "modules", "population", "benchmark"],
    "Predicting": ["properties", "probes", "encode", "predictors"],
    "Using": ["search", "recipes", "report", "quickstart", "claims", "plugins", "testing"],
}
TOP = (
    "Structure", "Network", "Space", "Record", "TrainConfig", "save_structures", "load_structures",
    "load_benchmark", "NnstructError",
)  # fmt: skip
REGISTRIES = {
    "priors": ("nnstruct.priors", "PRIORS"),
    "tasks": ("nnstruct.tasks", "TASKS"),
    "tables": ("nnstruct.tables", "TABLES"),
    "predictors": ("nnstruct.predictors", "PREDICTORS"),
    "pruners": ("nnstruct.pruning", "PRUNERS"),
    "operators": ("nnstruct.search", "OPERATORS"),
    "properties": ("nnstruct.properties", "PROPERTY_FAMILIES"),
    "probes": ("nnstruct.probes", "PROBE_FAMILIES"),
}
RECIPES = ("DatasetRecipe", "PredictorRecipe", "PruningRecipe", "SearchRecipe")


def write(folder: Path) -> None:
    """Everything that is made, into a folder; a file is only touched where its text has changed."""
    pages = {f"parts/{name}.md": parts(name) for name in REGISTRIES}
    pages |= {"parts/recipes.md": recipe_keys(), "parts/leaderboard.md": leaderboard()}
    pages |= {"parts/benchmarks.md": benchmarks(), "parts/gallery.md": gallery()}
    pages |= {"api/index.md": api_index(), "api/nnstruct.md": api_page("nnstruct", TOP)}
    pages |= {f"api/{room}.md": api_page(f"nnstruct.{room}") for rooms in ROOMS.values() for room in rooms}
    pages |= {f"pictures/{name}.svg": text for name, text in pictures().items()}
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def parts(name: str) -> str:
    """A table of the parts of a registry, with a line each."""
    module, attribute = REGISTRIES[name]
    registry = getattr(importlib.import_module(module), attribute)
    rows = [(f"`{key}`", _line_of(part)) for key, part in ((key, registry[key]) for key in registry)]
    return _table(("name", "what it is"), rows)


def _line_of(part) -> str:
    if measures := getattr(part, "measures", None):
        return f"{len(measures)} measures; {part.source}"
    text = inspect.getdoc(part) or ""
    return _markdown(text.split("\n\n")[0])


def _markdown(text: str) -> str:
    """A paragraph of reStructuredText, which may hold roles and literals, as Markdown for a cell."""
    text = re.sub(r":\w+(?::\w+)?:`~?([^`]+)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`").replace("|", r"\|")


def _table(head, rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


# ---- recipes


def recipe_keys() -> str:
    """Every key that a recipe may have, from the models that check them."""
    recipes = importlib.import_module("nnstruct.recipes")
    text = []
    for name in RECIPES:
        model = getattr(recipes, name)
        text += [f"## {name}", _markdown((inspect.getdoc(model) or "").split("\n\n")[0]), ""]
        text += _sections(model.model_json_schema(mode="validation"))
    return "\n".join(text) + "\n"


def _sections(schema: dict) -> list[str]:
    known = schema.get("$defs", {})
    text, todo, seen = [], [("", schema)], set()
    while todo:
        path, part = todo.pop(0)
        rows = []
        for key, field in part.get("properties", {}).items():
            for ref in _references(field):
                if (path, key, ref) not in seen and ref in known and "properties" in known[ref]:
                    seen.add((path, key, ref))
                    todo.append((f"{path}.{key}".lstrip("."), known[ref]))
            rows.append((f"`{key}`", _type(field, known), _default(key, field, part).replace("|", r"\|")))
        if path:
            text += [f"### `[{path}]`", ""]
        text += [_table(("key", "type", "default"), rows)]
    return text


def _default(key: str, field: dict, part: dict) -> str:
    if key in part.get("required", ()):
        return "required"
    if isinstance(field.get("default"), dict) and _references(field):
        return "those of its keys"
    return f"`{field['default']!r}`" if "default" in field else "empty"


def _references(field: dict) -> list[str]:
    return re.findall(r"#/\$defs/(\w+)", str(field))


def _type(field: dict, known: dict) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return _type(known[name], known) if "enum" in known[name] else "a table"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(each, known) for each in field["anyOf"] if each.get("type") != "null"))
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_type(field.get('items', {}), known)}"
    if kind == "object":
        return "a table"
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    limits = [f"{word} {field[key]:g}" for key, word in bounds.items() if key in field]
    return " ".join([{"string": "text", "integer": "integer", "number": "number"}.get(kind, str(kind)), *limits])


# ---- scores and benchmarks


def leaderboard() -> str:
    """The shipped results by benchmark, best first, beside what the recipes expect today."""
    lines = (ROOT / "train" / "README.md").read_text(encoding="utf-8").splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("| experiment | benchmark | R2 |"))
    boards: dict[str, list] = {}
    for line in lines[head + 2 :]:
        if not line.startswith("|"):
            break
        file, benchmark, r2, tau, ceiling, share, _ = (cell.strip() for cell in line.strip("|").split("|"))
        recipe = tomllib.loads((ROOT / "train" / file.strip("`")).read_text(encoding="utf-8"))
        low, high = recipe["expected"]["r2"]
        row = (f"`{recipe['predictor']['name']}`", r2, tau, share, f"{low:g} to {high:g}", file)
        boards.setdefault(f"{benchmark.replace('`', '')}, noise ceiling {ceiling}", []).append(row)
    text = []
    for board, rows in sorted(boards.items()):
        rows.sort(key=lambda row: -float(row[1].split()[0]))
        columns = ("predictor", "R2", "Kendall tau", "share of the ceiling", "recipe expects R2", "recipe")
        text += [f"## {board}", "", _table(columns, rows)]
    return "\n".join(text)


def benchmarks() -> str:
    """The shipped benchmarks, from their manifests and cards."""
    import json

    rows = []
    for manifest in sorted((ROOT / "datasets").rglob("manifest.json")):
        content = json.loads(manifest.read_text(encoding="utf-8"))
        files = content["files"]
        size = sum(file["bytes"] for file in files.values()) / 1e6
        rows.append(
            (
                f"`{manifest.parent.relative_to(ROOT / 'datasets')}`",
                content["task"]["name"],
                f"{_rows(files, 'structures'):,}",
                f"{_rows(files, 'records'):,}",
                f"{size:.1f} MB",
            )
        )
    return _table(("benchmark", "task", "structures", "trainings", "size"), rows)


def _rows(files: dict, kind: str) -> int:
    return sum(file["rows"] for name, file in files.items() if name.startswith(f"data/{kind}"))


# ---- pictures


def pictures() -> dict[str, str]:
    """Pictures by name, as SVG: a structure of each prior, and plots of the quickstart's benchmark."""
    import nnstruct as ns

    made = {}
    for name in ns.priors.PRIORS:
        structure = _drawn(name)
        made[f"prior-{name}"] = _svg(lambda ax, s=structure: s.plot(ax, title=""), 3.2, 2.1)
    bench = ns.load_benchmark("reber-mini")
    plots = ns.report.plots
    train, test = bench.split(test=0.25, seed=1)
    forest = ns.predictors.RandomForest(["paper", "layered"], random_state=0).fit(train.structures, train.y)
    mean, std = forest.predict(test.structures, return_std=True)
    made["labels"] = _svg(lambda ax: plots.label_histogram(ax, bench), 4.6, 3)
    made["predictions"] = _svg(
        lambda ax: plots.predicted_against_true(ax, test.y, mean, std, label="test accuracy"), 4.6, 3.4
    )
    return made


def _drawn(prior: str):
    import nnstruct as ns

    return ns.priors.sample(ns.Space("mlp", units=(14, 18)), 1, seed=4, priors=[prior])[0]


def _svg(draw, width: float, height: float) -> str:
    from matplotlib.figure import Figure
    from nnstruct.report.images import figure_bytes

    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure.subplots())
    return figure_bytes(figure, "svg").decode()


def gallery() -> str:
    """Cards with the pictures of the priors."""
    from nnstruct.priors import PRIORS

    text = ["::::{grid} 2 3 3 4", ":gutter: 2", ""]
    for name in PRIORS:
        text += [f":::{{grid-item-card}} {name}", f"![A structure of the prior {name}](/_generated/pictures/prior-{name}.svg)"]
        text += ["", _line_of(PRIORS[name]), ":::", ""]
    return "\n".join([*text, "::::", ""])


# ---- the API


def api_index() -> str:
    text = ["# API reference", "", "All that is public, from the docstrings, a page a room. `import nnstruct as ns` brings"]
    text += ["the nouns and every room.", "", "```{toctree}", ":caption: The nouns", "", "nnstruct", "```", ""]
    for caption, rooms in ROOMS.items():
        text += ["```{toctree}", f":caption: {caption}", "", *(rooms), "```", ""]
    return "\n".join(text)


def api_page(module: str, names=None) -> str:
    """A page of one room: what it says of itself, and everything that it hands on."""
    room = importlib.import_module(module)
    chosen = sorted(names or getattr(room, "__all__", ()), key=lambda name: (name.lower(), name))
    text = [f"# {module}", "", "```{eval-rst}"]
    if names is None:
        text += [f".. automodule:: {module}", *(["   :members:"] if not chosen else []), ""]
    text += [f".. currentmodule:: {module}", ""]
    entries = [(name, getattr(room, name)) for name in chosen]
    described = [name for name, part in entries if _is_documented(part)]
    if described:
        text += [".. autosummary::", "", *(f"   {name}" for name in described), ""]
    for name, part in entries:
        text += _directive(f"{module}.{name}", part, module if names is None else "")
    return "\n".join([*text, "```", ""])


def _is_documented(part) -> bool:
    return inspect.isclass(part) or inspect.isroutine(part)


def _directive(name: str, part, module: str) -> list[str]:
    if isinstance(part, ModuleType):
        return [f".. automodule:: {part.__name__}", "   :members:", ""]
    if inspect.isclass(part):
        if module and _home(part):
            return []  # documented among the nouns
        return [f".. autoclass:: {name}", "   :members:", ""]
    return [f".. autofunction:: {name}", ""] if inspect.isroutine(part) else [f".. autodata:: {name}", "   :no-value:", ""]


def _home(part) -> bool:
    import nnstruct

    return any(part is getattr(nnstruct, name) for name in TOP)
