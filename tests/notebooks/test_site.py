"""The site says what the package says: pages are reached, links lead on, examples run, tables are whole."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "notebooks"
sys.path.insert(0, str(SOURCES))

import site_pages  # noqa: E402

PAGES = sorted(path for path in SOURCES.rglob("*.md") if "_generated" not in path.parts)
SHIPPED = [path.parent for path in (ROOT / "datasets").rglob("manifest.json")]
API_ROOMS = [room for rooms in site_pages.ROOMS.values() for room in rooms]


def toctree(page: Path) -> list[str]:
    entries = []
    for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), flags=re.DOTALL):
        entries += [line for line in block.splitlines() if line and not line.startswith(":")]
    return entries


GUIDE = toctree(SOURCES / "guide" / "index.md")


def test_every_page_and_notebook_is_reached_from_the_first() -> None:
    reached, waiting = set(), [SOURCES / "index.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for entry in toctree(page):
            found = [page.parent / f"{entry}{end}" for end in (".md", ".ipynb")]
            if "_generated" in entry:
                continue
            (target,) = [path for path in found if path.exists()]
            reached.add(target)
            waiting += [target] if target.suffix == ".md" else []
    assert reached == {*PAGES, *SOURCES.glob("*.ipynb")}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_no_source_has_a_broken_link(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)|\{(?:include|image)\} (\S+)|^:link: (\S+)", text, re.MULTILINE)
    for target in map("".join, targets):
        if urlsplit(target).scheme:
            assert target.startswith("https://")
        elif "_generated/" in target:
            folder, name = target.rpartition("_generated/")[2].split("/")
            known = {"parts": [*site_pages.REGISTRIES, "recipes", "leaderboard", "benchmarks", "gallery"]}
            known["api"] = ["index", "nnstruct", *API_ROOMS]
            assert name.partition(".")[0] in known.get(folder, ["labels", "predictions"])
        else:
            assert any((page.parent / f"{target}{end}").exists() for end in ("", ".md")), target


def test_the_changelog_which_is_a_page_too_links_to_no_file_of_the_repository() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert [target for target in targets if not target.startswith("https://")] == []


def test_the_examples_of_the_guide_run(tmp_path: Path) -> None:
    """In the order of the pages, in one interpreter, as a reader would type them."""
    pages = [SOURCES / "start.md", *(SOURCES / "guide" / f"{name}.md" for name in GUIDE)]
    code = [re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL) for page in pages]
    assert all(code)
    (tmp_path / "guide.py").write_text("\n".join(block for blocks in code for block in blocks))
    done = subprocess.run([sys.executable, "guide.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_all_that_is_public_has_a_place_in_the_reference() -> None:
    import nnstruct

    assert {*nnstruct._SUBPACKAGES} <= set(API_ROOMS)
    for room in API_ROOMS:
        module = importlib.import_module(f"nnstruct.{room}")
        page = site_pages.api_page(f"nnstruct.{room}")
        for name in getattr(module, "__all__", ()):
            part = getattr(module, name)
            described = {f"nnstruct.{room}.{name}", getattr(part, "__name__", "")}
            assert site_pages._home(part) or any(f":: {each}\n" in page for each in described), name


@pytest.mark.parametrize("name", site_pages.REGISTRIES)
def test_every_part_has_a_line(name: str) -> None:
    module, attribute = site_pages.REGISTRIES[name]
    rows = site_pages.parts(name).splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(getattr(importlib.import_module(module), attribute))
    assert all(len(row.split(" | ")[1]) > 8 for row in rows)


def test_recipe_keys_are_those_of_the_models() -> None:
    page = site_pages.recipe_keys()
    recipes = importlib.import_module("nnstruct.recipes")

    def fields(model) -> set[str]:
        schema = model.model_json_schema()
        parts = [schema, *schema.get("$defs", {}).values()]
        return {key for part in parts for key in part.get("properties", ())}

    for name in site_pages.RECIPES:
        own = page.split(f"## {name}")[1].split("\n## ")[0]
        assert all(f"| `{key}` |" in own for key in fields(getattr(recipes, name))), name


def test_the_leaderboard_has_every_shipped_result_best_first() -> None:
    boards = site_pages.leaderboard().split("\n## ")
    rows = [[line for line in board.splitlines() if line.startswith("| `")] for board in boards]
    table = (ROOT / "train" / "README.md").read_text(encoding="utf-8")
    assert sum(map(len, rows)) == len(re.findall(r"^\| `(?!search-)[\w-]+\.toml` .*\[", table, re.MULTILINE))
    scores = [[float(row.split(" | ")[1].split()[0]) for row in board] for board in rows]
    assert all(board == sorted(board, reverse=True) for board in scores)
    assert any(len(board) == 3 for board in scores)


def test_shipped_benchmarks_are_listed_with_their_sizes() -> None:
    listed = dict(re.findall(r"^\| `([\w/-]+)` \| \S+ \| ([\d,]+) ", site_pages.benchmarks(), re.MULTILINE))
    assert set(listed) == {str(path.relative_to(ROOT / "datasets")) for path in SHIPPED}
    assert listed["reber-mini"] == "240"
    assert listed["reber-rnn"] == "4,000"


class Links(HTMLParser):
    """Where a page leads, what it loads, and the names of its places."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.leads, self.loads, self.names = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = dict(attrs)
        self.names |= {values.get("id"), values.get("name")}
        if tag == "a" and values.get("href"):
            self.leads.append(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(values["href"])
        elif values.get("src"):
            self.loads.append(values["src"])


@pytest.mark.study
def test_the_site_builds_without_a_warning_and_no_link_inside_is_broken(tmp_path: Path) -> None:
    """About a minute of CPU time; nothing is loaded from a network."""
    site = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(SOURCES), str(site)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    written = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path.resolve(): Links(path) for path in written}
    assert len(pages) > 40
    broken = []
    for path, page in pages.items():
        for target in page.loads + page.leads:
            parts = urlsplit(target)
            if parts.scheme == "data" or (parts.scheme and target in page.leads):
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            named = not parts.fragment or file not in pages or unquote(parts.fragment) in pages[file].names
            if parts.scheme or parts.netloc or not file.exists() or not named:
                broken.append((path.name, target))
    assert broken == []


def test_the_trackers_of_the_guide_are_told_each_record() -> None:
    """With stand-ins that take the calls of MLflow and of Weights & Biases."""
    from unittest.mock import MagicMock, call

    import numpy as np

    from nnstruct.record import Record

    page = (SOURCES / "guide" / "populations.md").read_text(encoding="utf-8")
    (block,) = [
        code for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "mlflow" in code
    ]
    made: dict = {}
    exec(block, made)
    curve = np.array([0.5, 0.75])
    record = Record("f" * 32, "gru", "toy", "t", "c", 3, "ok", curve, curve, curve, 0.7, 0.3, 8, 0.1, "none")
    mlflow, wandb = MagicMock(), MagicMock()
    made["to_mlflow"](mlflow)(record)
    assert mlflow.start_run.call_args == call(run_name="ffffffffffff seed 3")
    assert mlflow.log_params.call_args == call({"family": "gru", "task": "toy", "seed": 3})
    assert mlflow.log_metric.call_args_list == [
        call("val", 0.5, step=0), call("val", 0.75, step=1), call("test", 0.7),
    ]  # fmt: skip
    made["to_wandb"](wandb, "mine")(record)
    run = wandb.init.return_value
    assert wandb.init.call_args.kwargs["project"] == "mine"
    assert run.log.call_args_list == [call({"val": 0.5}, step=0), call({"val": 0.75}, step=1)]
    assert run.summary.__setitem__.call_args == call("test", 0.7)
    assert run.finish.called
