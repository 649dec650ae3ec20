import dataclasses
import json
import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from benchmark_fakes import CONFIG, make_record, make_structures, make_task

from nnstruct.benchmark import Benchmark, build, check_card, recount, write_card
from nnstruct.benchmark.card_text import MARKER
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from benchmark_fakes import FakeEngine

    from nnstruct.benchmark import generate

    folder = tmp_path_factory.mktemp("card") / "b"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "_stream", FakeEngine())
        build(make_task(), make_structures(25), seeds=3, config=CONFIG, out=folder)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "b")


def cells(card, first):
    """The cells of the table row that starts with a given cell."""
    row = next(line for line in card.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_numbers_of_the_card_are_those_of_the_files(folder):
    """Counted here with plain pandas, not with the code that wrote the card."""
    card = (folder / "README.md").read_text()
    records = pd.read_parquet(folder / "data" / "records.parquet")
    structures = pd.read_parquet(folder / "data" / "structures.parquet")
    costs = pd.read_parquet(folder / "data" / "costs.parquet")
    assert cells(card, "structures")[1] == str(len(structures))
    assert cells(card, "records (structure, configuration, seed)")[1] == str(len(records))
    assert cells(card, "diverged trainings")[1] == str((records["status"] == "diverged").sum())
    assert cells(card, "seeds")[1] == ", ".join(map(str, sorted(set(records["seed"]))))
    assert cells(card, "CPU hours")[1] == f"{costs['seconds'].sum() / 3600:.4f}"
    assert cells(card, "records by engine")[1] == f"fake {len(costs)}"
    units = structures["num_units"]
    assert (
        cells(card, "units (least, median, most)")[1] == f"{units.min()}, {units.median():g}, {units.max()}"
    )
    forward = structures["edge_recurrent"].map(lambda delayed: int((~delayed).sum()))
    spans = f"{forward.min()}, {forward.median():g}, {forward.max()}"
    assert cells(card, "forward edges (least, median, most)")[1] == spans

    y = records.dropna(subset="test").groupby("fingerprint")["test"].mean()
    prior = structures.set_index("fingerprint")["origin"].map(lambda text: json.loads(text)["prior"])
    for name in ("gnp", "path"):
        row = next(line for line in card.splitlines() if line.startswith(f"| rnn_tanh | {name} |"))
        members = prior.index[prior == name]
        told = [len(members), records["fingerprint"].isin(members).sum()]
        told.append(f"{y[y.index.isin(members)].mean():.4f}")
        assert [cell.strip() for cell in row.strip("|").split("|")][2:] == [str(value) for value in told]
    quantiles = cells(card, f"{y.mean():.4f}")
    assert quantiles[1] == f"{y.std():.4f}"
    assert quantiles[2:] == [f"{value:.4f}" for value in y.quantile([0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])]
    bars = re.findall(r"^([\d.]+) to ([\d.]+) \|(#*) *\| (\d+)$", card, flags=re.MULTILINE)
    assert len(bars) == 10
    for i, (low, high, bar, count) in enumerate(bars):
        inside = (y >= float(low)) & ((y < float(high)) | (i == 9))
        assert int(count) == inside.sum()
        assert bool(bar) == (inside.sum() > 0)
    assert sum(int(count) for *_, count in bars) == len(y)

    whole = records.dropna(subset="test").groupby("fingerprint")["test"]
    within = ((whole.count() - 1) * whole.var().fillna(0)).sum() / (whole.count() - 1).sum()
    told = float(cells(card, "test")[1])
    # The labels' own variance is what the ceiling's signal and noise add up to.
    noise = within * (1 / whole.count()).mean()
    assert told == pytest.approx(1 - noise / y.var(), abs=0.01)
    split = re.search(r"(\d+) structures to train on, (\d+) to test on", card)
    assert [int(split[1]) + int(split[2]), int(split[2])] == [len(y), round(0.2 * len(y))]


def test_card_equals_a_recount(folder):
    assert check_card(folder) == []
    counted = recount(folder)
    assert counted["records"] == 75
    assert counted["configs"][CONFIG.id]["config"] == CONFIG.as_dict()
    assert set(counted["configs"][CONFIG.id]["ceilings"]) >= {"test", "val_auc"}


def test_a_wrong_number_is_found(folder):
    readme = folder / "README.md"
    readme.write_text(readme.read_text().replace("| structures | 25 |", "| structures | 26 |"))
    assert check_card(folder) == ["in the card: | structures | 26 |", "in the files: | structures | 25 |"]


def test_card_is_written_again_when_the_benchmark_grows_and_notes_stay(folder, engine):
    readme = folder / "README.md"
    readme.write_text(readme.read_text() + "\nMy own words.\n")
    build(make_task(), make_structures(27), seeds=3, config=CONFIG, out=folder)
    text = readme.read_text()
    assert "| structures | 27 |" in text
    assert text.endswith("\nMy own words.\n")
    assert text.count(MARKER) == 1
    assert check_card(folder) == []


def test_a_readme_of_the_users_is_left_alone(tmp_path, engine):
    (tmp_path / "README.md").write_text("# Mine\n")
    bench = build(make_task(), make_structures(2), seeds=2, config=CONFIG, out=tmp_path)
    assert (tmp_path / "README.md").read_text() == "# Mine\n"
    with pytest.raises(InvalidInputError, match=r"README.md must be a card"):
        write_card(bench, tmp_path)


def test_front_matter_names_the_tables(folder):
    import yaml

    _, front, _ = (folder / "README.md").read_text().split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["license"] == "mit"
    assert "tabular-regression" in front["task_categories"]
    assert front["size_categories"] == ["n<1K"]
    tables = {config["config_name"]: config["data_files"] for config in front["configs"]}
    assert set(tables) == {"records", "structures", "costs"}
    for path in tables.values():
        assert len(pd.read_parquet(folder / path))
    assert [config["config_name"] for config in front["configs"] if config.get("default")] == ["records"]


def test_columns_in_the_card_are_those_of_the_files(folder):
    card = (folder / "README.md").read_text()
    for name in ("records", "structures", "costs"):
        section = card.split(f"`data/{name}.parquet`\n", 1)[1].split("\n`data/")[0].split("\n## ")[0]
        listed = [
            column
            for line in section.splitlines()
            if line.startswith("| ") and not line.startswith("| column")
            for column in line.strip("|").split("|")[0].strip().split(", ")
        ]
        assert listed == list(pd.read_parquet(folder / "data" / f"{name}.parquet").columns)


def test_recipe_is_copied_and_named(folder, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('task = "toy"\n')
    bench = Benchmark.load(folder)
    assert "nnstruct build recipe.toml" not in (folder / "README.md").read_text()
    write_card(bench, folder, recipe=recipe)
    assert (folder / "recipe.toml").read_text() == 'task = "toy"\n'
    assert "nnstruct build recipe.toml" in (folder / "README.md").read_text()
    write_card(bench, folder, recipe=folder / "recipe.toml")
    assert check_card(folder) == []
    with pytest.raises(MissingDataError, match="no recipe"):
        write_card(bench, folder, recipe=tmp_path / "none.toml")


def test_code_in_the_card_makes_the_same_records(folder, engine, monkeypatch):
    """Every Python block runs, and what it trains is byte for byte what the folder holds."""
    from nnstruct.tasks import catalogue

    monkeypatch.setattr(catalogue, "load_task", lambda name: {"toy": make_task()}[name])
    monkeypatch.chdir(folder)
    for code in re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), flags=re.DOTALL):
        exec(compile(code, "card", "exec"), {})
    for name in ("records", "structures"):
        path = f"data/{name}.parquet"
        if name == "records" or not Benchmark.load(folder).unlabelled:
            assert (folder / "again" / path).read_bytes() == (folder / path).read_bytes()


def test_several_configurations_and_single_seeds_have_a_card(folder, engine):
    other = TrainConfig(epochs=2)
    build(make_task(), make_structures(3), seeds=1, config=other, out=folder)
    card = (folder / "README.md").read_text()
    assert card.count("## Configuration") == 2
    assert "Unknown: one seed a structure" in card
    assert check_card(folder) == []
    ceiling = recount(folder)["configs"][other.id]["ceilings"]["test"]
    assert math.isnan(ceiling["value"])


def test_a_benchmark_in_which_all_diverged_has_a_card(tmp_path):
    import dataclasses

    from benchmark_fakes import make_record

    nan = np.full(CONFIG.epochs, np.nan)
    structures = make_structures(2)
    records = [
        dataclasses.replace(
            make_record(s, 0, make_task()), status="diverged", val=nan, test=np.nan, test_loss=np.nan
        )
        for s in structures
    ]
    Benchmark.from_records(structures, records, [CONFIG]).save(tmp_path)
    assert "No structure has a finite test accuracy" in (tmp_path / "README.md").read_text()
    assert check_card(tmp_path) == []


def test_a_folder_without_a_card(folder):
    (folder / "README.md").unlink()
    with pytest.raises(MissingDataError, match=r"no README.md"):
        check_card(folder)


def test_a_card_of_several_families_states_each_ones_spread_and_ceiling(tmp_path):
    families = ("gru", "rnn_tanh")
    nets = [Structure.from_layers([size, 2], family=family) for family in families for size in (2, 3, 4)]
    rng = np.random.default_rng(0)
    records = []
    for number, net in enumerate(nets):
        for seed in range(4 if net.family == "gru" else 3):
            test = 0.5 + 0.05 * number + 0.01 * rng.normal()
            records.append(dataclasses.replace(make_record(net, seed, make_task(), CONFIG), test=float(test)))
    folder = Benchmark.from_records(nets, records, [CONFIG]).save(tmp_path / "both")
    card, bench = (folder / "README.md").read_text(), Benchmark.load(folder)
    for family, seeds in zip(families, (4, 3), strict=True):
        part = bench.select_family(family)
        assert f"| {family} | 3 | {seeds}, {seeds}, {seeds} | {part.y.mean():.4f} |" in card
    cells = re.search(r"^\| test \| (\S+) \(\d+\) \| (\S+) \(\d+\) \|$", card, re.M)
    ceilings = [bench.select_family(family).noise_ceiling.value for family in families]
    assert [float(cell) for cell in cells.groups()] == pytest.approx(ceilings, abs=1e-4)
    assert check_card(folder) == []


def test_a_card_names_the_metric_of_its_task(tmp_path):
    nets = make_structures(3)
    records = [make_record(net, seed, make_task()) for net in nets for seed in range(2)]
    folder = Benchmark.from_records(nets, records, [CONFIG], metric="r2").save(tmp_path / "b")
    card = (folder / "README.md").read_text()
    assert "accuracy" not in card.split("## Columns")[0].replace("readout", "")
    for words in ("mean test R2", "Test R2, mean over the seeds", "| validation R2, one value an epoch |",
                  "test R2 after the last epoch"):  # fmt: skip
        assert words in card, words
    assert check_card(folder) == []
