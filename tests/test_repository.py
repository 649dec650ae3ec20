"""Forms, workflow, hooks and citation are valid, and agree with the project's own metadata."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from oldest_versions import CONSTRAINTS, constraints, lower_bounds

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
# What GitHub takes in a form, and what each kind of field must have.
KINDS = {
    "markdown": {"value"},
    "textarea": {"label"},
    "input": {"label"},
    "dropdown": {"label", "options"},
    "checkboxes": {"label", "options"},
}


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_there_are_two_forms() -> None:
    assert [form.stem for form in FORMS] == ["bug_report", "feature_request"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_is_one_that_github_takes(form: Path) -> None:
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert set(content) <= {"name", "description", "title", "labels", "body", "assignees"}
    assert all(isinstance(content[key], str) for key in ("name", "description"))
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    names = [field["id"] for field in fields]
    assert fields
    assert len(set(names)) == len(names)
    for field in content["body"]:
        assert set(field) <= {"type", "id", "attributes", "validations"}
        assert KINDS[field["type"]] <= set(field["attributes"])
        assert all(isinstance(value, bool) for value in field.get("validations", {}).values())
    for field in fields:
        assert re.fullmatch(r"[\w-]+", field["id"])
        options = field["attributes"].get("options", [])
        kind = dict if field["type"] == "checkboxes" else str
        assert all(isinstance(option, kind) for option in options)


def test_the_workflow_runs_the_projects_own_test_command() -> None:
    jobs = read(".github/workflows/ci.yml")["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"]
    listed = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if ":: 3." in line]
    assert matrix["python"] == listed == ["3.11", "3.12", "3.13", "3.14"]
    assert [step["run"] for step in jobs["tests"]["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_one_job_has_the_oldest_versions() -> None:
    job = read(".github/workflows/ci.yml")["jobs"]["oldest"]
    (python,) = (step["with"]["python-version"] for step in job["steps"] if "with" in step)
    assert PROJECT["requires-python"] == f">={python}"
    (command,) = (step["run"] for step in job["steps"] if "run" in step)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (usual,) = (
        line for line in readme.splitlines() if line.startswith("python3 -m venv") and "pytest" in line
    )
    oldest = usual.replace("constraints.txt", "constraints-oldest.txt")
    assert command.replace("OMP_NUM_THREADS=1 ", "") == f"{oldest} --ignore tests/test_style.py"


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    hint = "Run python tests/oldest_versions.py."
    assert CONSTRAINTS.read_text(encoding="utf-8") == constraints(), hint


def test_every_requirement_is_pinned_to_a_version_that_is_allowed() -> None:
    lines = (ROOT / "train" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}
    for name, bound in lower_bounds().items():
        assert name.lower() in pins, name
        assert numbers(pins[name.lower()]) >= numbers(bound), name


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_hooks_run_what_the_tests_of_style_run() -> None:
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    entries = [hook["entry"] for hook in repository["hooks"]]
    assert entries == [".venv/bin/ruff check --fix", ".venv/bin/ruff format", ".venv/bin/mypy"]
    for hook in repository["hooks"]:
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert hook["language"] == "system"


def test_the_citation_follows_the_project() -> None:
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["type"] == "software"
    assert citation["title"] == PROJECT["name"]
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert citation["keywords"] == PROJECT["keywords"]
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= set(paper)
    assert [author["family-names"] for author in paper["authors"]] == ["Stier", "Darji", "Granitzer"]
    assert [each["value"] for each in paper["identifiers"]] == ["arXiv:2107.12917"]
    assert paper["year"] == 2021
