"""Metadata beside every shipped dataset: Croissant that its validator takes, and cards with valid YAML."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import mlcroissant
import pytest
import yaml

from nnstruct.benchmark import Benchmark, croissant
from nnstruct.errors import MissingDataError

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "datasets").rglob("manifest.json"))
each = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: "-".join(path.parts[-2:]))


@each
def test_the_metadata_are_those_of_the_folder(folder):
    kept = json.loads((folder / "croissant.json").read_text())
    assert kept == croissant(folder)
    files = {known["@id"]: known["sha256"] for known in kept["distribution"]}
    assert files == {
        name: known["sha256"]
        for name, known in json.loads((folder / "manifest.json").read_text())["files"].items()
    }


@each
def test_the_validator_finds_no_error(folder, caplog):
    caplog.set_level(logging.ERROR)
    data = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert data.metadata.ctx.issues.errors == set()
    text = json.loads((folder / "croissant.json").read_text())
    assert "http://mlcommons.org/croissant/1.1" in text["conformsTo"]
    assert sum(key.startswith("rai:") for key in text) >= 6
    assert all(text[key] for key in text)


def test_a_wrong_description_is_found(tmp_path):
    (folder,) = (folder for folder in FOLDERS if folder.name == "reber-mini")
    text = json.loads((folder / "croissant.json").read_text())
    text["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "nowhere.parquet"
    (tmp_path / "croissant.json").write_text(json.dumps(text))
    with pytest.raises(mlcroissant.ValidationError):
        mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))


def test_records_can_be_read_by_it():
    (folder,) = (folder for folder in FOLDERS if folder.name == "reber-mini")
    data = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    rows = [row for _, row in zip(range(3), data.records("records"), strict=False)]
    known = Benchmark.load(folder).table["fingerprint"]
    assert all(row["records/fingerprint"].decode() in set(known) for row in rows)


def test_a_folder_without_a_benchmark_is_named(tmp_path):
    with pytest.raises(MissingDataError, match="There is no benchmark in"):
        croissant(tmp_path)


@each
def test_the_card_begins_with_valid_yaml(folder):
    _, front, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["license"] == "mit"
    assert isinstance(card["tags"], list)
    files = [config["data_files"] for config in card["configs"]]
    assert all((folder / name).exists() for name in files)
    assert sum(bool(config.get("default")) for config in card["configs"]) == 1
