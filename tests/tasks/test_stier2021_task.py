"""The seed study's files: a small pair written here, and the real pair where it is at hand."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.tasks import Split, data_directory, load_task
from nnstruct.tasks.reber import KINDS, REBER, is_reber

REAL = os.environ.get("NNSTRUCT_DATA", "")
needs_files = pytest.mark.skipif(
    not (Path(REAL) / "reber" / "train_data.csv").is_file() if REAL else True,
    reason="NNSTRUCT_DATA names no folder with reber/train_data.csv",
)

TRAIN = [
    ("BTXSE", 1),
    ("BPVVE", 1),
    ("BTSXSE", 1),
    ("BAE", 0),
    ("BAE", 0),
    ("BZZE", 0),
    ("BPE", 0),
    ("BXE", 0),
]
TEST = [("BPTVVE", 1), ("BAE", 0), ("BCCCCCCE", 0)]


def write(folder: Path, train: list[tuple[str, int]], test: list[tuple[str, int]]) -> Path:
    (folder / "reber").mkdir(exist_ok=True)
    for name, rows in (("train", train), ("test", test)):
        lines = [",string,valid", *(f"{i},{text},{label}" for i, (text, label) in enumerate(rows))]
        (folder / "reber" / f"{name}_data.csv").write_text("\n".join(lines) + "\n")
    return folder


def strings(split: Split) -> list[str]:
    assert split.lengths is not None
    rows = zip(split.inputs.tolist(), split.lengths.tolist(), strict=True)
    return ["".join(map(chr, row[:length])) for row, length in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path, TRAIN, TEST)


def test_faithful_choice_keeps_the_files_as_they_are(folder: Path) -> None:
    task = load_task("reber-stier2021", data=folder, val=0)
    assert strings(task.train) == [text for text, _ in TRAIN]
    assert task.train.targets.tolist() == [label for _, label in TRAIN]
    assert strings(task.test) == [text for text, _ in TEST]
    assert task.val is task.test
    assert task.train.inputs.shape == (8, 8)
    assert task.train.inputs[0].tolist() == [66, 84, 88, 83, 69, 0, 0, 0]
    assert (task.num_symbols, task.num_classes) == (128, 2)


@pytest.mark.parametrize("seed", range(12))
def test_held_out_strings_stay_together_and_in_order(folder: Path, seed: int) -> None:
    task = load_task("reber-stier2021", data=folder, val=0.3, seed=seed)
    kept, held = strings(task.train), strings(task.val)
    assert Counter(kept + held) == Counter(text for text, _ in TRAIN)
    assert not set(kept) & set(held)
    assert 2 <= len(held) <= 3  # the pair of equal strings may make one more
    labels = dict(TRAIN)
    assert task.val.targets.tolist() == [labels[text] for text in held]
    assert strings(task.test) == [text for text, _ in TEST]
    assert [text for text in dict.fromkeys(text for text, _ in TRAIN) if text in kept] == list(
        dict.fromkeys(kept)
    )


def test_seed_decides_what_is_held_out(folder: Path) -> None:
    def draw(seed: int) -> str:
        return load_task("reber-stier2021", data=folder, val=0.4, seed=seed).fingerprint

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(6)}) > 1


@pytest.mark.parametrize("val", [0.001, 0.999])
def test_neither_side_is_ever_empty(folder: Path, val: float) -> None:
    for seed in range(5):
        task = load_task("reber-stier2021", data=folder, val=val, seed=seed)
        assert min(len(set(strings(task.train))), len(set(strings(task.val)))) == 1


def test_the_variable_names_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNSTRUCT_DATA", str(folder))
    assert data_directory() == folder
    assert len(load_task("reber-stier2021", val=0).train) == 8


def test_missing_folder_and_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNSTRUCT_DATA", raising=False)
    with pytest.raises(MissingDataError, match="NNSTRUCT_DATA or pass the option data="):
        load_task("reber-stier2021")
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist.*NNSTRUCT_DATA"):
        load_task("reber-stier2021", data=tmp_path / "nowhere")
    path = re.escape(str(tmp_path / "reber" / "train_data.csv"))
    with pytest.raises(MissingDataError, match=rf"{path} does not exist.*NNSTRUCT_DATA.*reber/train_data"):
        load_task("reber-stier2021", data=tmp_path)
    write(tmp_path, TRAIN, TEST)
    (tmp_path / "reber" / "test_data.csv").unlink()
    with pytest.raises(MissingDataError, match=r"test_data\.csv does not exist"):
        load_task("reber-stier2021", data=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"line 1 must name the columns string and valid, got \[\]"),
        (b"a,b\n1,2\n", "line 1 must name the columns string and valid"),
        (b",string,valid\n", "must hold at least one string, got 0"),
        (b",string,valid\n0,BTXSE,1\n1,BPVVE\n", r"line 3 must have 3 fields, got \['1', 'BPVVE'\]"),
        (b",string,valid\n0,BTXSE,1\n1,BPVVE,1,1\n", "line 3 must have 3 fields"),
        (b",string,valid\n0,BTXSE,2\n", "line 2, valid must be 0 or 1, got '2'"),
        (b",string,valid\n0,BTXSE,\n", "line 2, valid must be 0 or 1, got ''"),
        (b",string,valid\n0,,1\n", "line 2, string must hold at least one ASCII"),
        (b",string,valid\n0,B\xc3\x84E,1\n", "line 2, string must hold .* no other, got 'BÄE'"),
        (b",string,valid\n0,BTXSE,1\n1,B\xff\xfeE,0\n", "line 3, string must hold"),
        (b',string,valid\n0,"BTX"SE,1\n', "line 2 must be a row of a CSV file"),
        (b",string,valid\n0,BTXSE,1\n\n1,BPVVE,1\n", r"line 3 must have 3 fields, got \[\]"),
        (b",string,valid\n0,B\x00E,1\n", "line 2"),
    ],
)
def test_malformed_files_are_reported_with_their_line(folder: Path, content: bytes, message: str) -> None:
    (folder / "reber" / "train_data.csv").write_bytes(content)
    with pytest.raises(InvalidInputError, match=message) as caught:
        load_task("reber-stier2021", data=folder)
    assert "train_data.csv" in str(caught.value)


def test_other_column_orders_are_read(folder: Path) -> None:
    (folder / "reber" / "train_data.csv").write_text("valid,string\r\n1,BTXSE\r\n0,BAE\r\n")
    task = load_task("reber-stier2021", data=folder, val=0)
    assert strings(task.train) == ["BTXSE", "BAE"]
    assert task.train.targets.tolist() == [1, 0]


@pytest.mark.parametrize("val", [-0.1, 1, 1.5, float("nan"), "0.1", True])
def test_val_out_of_its_range_is_an_error(folder: Path, val: object) -> None:
    with pytest.raises(InvalidInputError, match=r"val must be in 0\.\.1, 1 excluded"):
        load_task("reber-stier2021", data=folder, val=val)


def test_one_train_string_cannot_be_shared_out(tmp_path: Path) -> None:
    write(tmp_path, [("BTXSE", 1), ("BTXSE", 1)], TEST)
    with pytest.raises(InvalidInputError, match="val must be 0 where train holds one string only"):
        load_task("reber-stier2021", data=tmp_path)
    assert len(load_task("reber-stier2021", data=tmp_path, val=0).train) == 2


@needs_files
def test_real_files_hold_what_the_documentation_says() -> None:
    task = load_task("reber-stier2021", val=0)
    train, test = strings(task.train), strings(task.test)
    assert (len(train), len(test)) == (18_750, 6_250)
    assert (int(task.train.targets.sum()), int(task.test.targets.sum())) == (9_339, 3_161)
    assert [is_reber(text) for text in train] == task.train.targets.astype(bool).tolist()
    assert [is_reber(text) for text in test] == task.test.targets.astype(bool).tolist()
    repeated = {text for text, number in Counter(train).items() if number > 1}
    assert len(repeated) == 7
    assert set(train) & set(test) == {"BMOOOOOOQRE"}
    assert len(set(test)) == len(test)
    assert {*map(len, train), *map(len, test)} <= set(range(11, 54))
    assert len({letter for text in train + test for letter in text}) == 26


@needs_files
def test_real_invalid_strings_are_of_the_documented_kinds() -> None:
    task = load_task("reber-stier2021", val=0)
    invalid = [text for split in (task.train, task.test) for text in strings(split) if not is_reber(text)]
    kinds = [tuple(kind for kind in KINDS if KINDS[kind].grammar.accepts(text)) for text in invalid]
    assert all(kinds)
    # Of 17 rows that two automata accept, 16 are eight equal pairs and one stands alone.
    numbers = Counter(kind[0] if len(kind) == 1 else "both" for kind in kinds)
    assert numbers.pop("both") == 17
    assert numbers.pop("letters-mnoq") + numbers.pop("letters-mnoqvw") + 17 == 1_500 + 2_000
    assert numbers == {
        "entry": 1_500,
        "loops": 2_000,
        "exits": 1_500,
        "loop-for-exit": 500,
        "letters-acdf": 2_000,
        "letters-qomn": 1_500,
    }


@needs_files
def test_real_lengths_are_those_of_fair_walks_without_repetitions() -> None:
    task = load_task("reber-stier2021", val=0)
    groups = {"valid": (REBER, 12_500), "loop-for-exit": (KINDS["loop-for-exit"].grammar, 500)}
    texts = strings(task.train) + strings(task.test)
    for grammar, number in groups.values():
        found = Counter(len(text) for text in texts if grammar.accepts(text))
        expected = grammar.lengths(number, 11, 60)
        moved = sum(abs(found[length] - expected[length]) for length in range(11, 61)) / 2
        assert sum(found.values()) == number
        assert moved / number < 4 / np.sqrt(number)


@needs_files
def test_real_files_with_the_default_validation_share() -> None:
    task = load_task("reber-stier2021")
    assert [len(split) for split in (task.train, task.val, task.test)] == [16_875, 1_875, 6_250]
    assert not set(strings(task.train)) & set(strings(task.val))
