"""Searches that train briefly first, and what they are expected to take."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nnstruct import Benchmark, Search, Space, Structure, TrainConfig, load_task
from nnstruct.errors import InvalidInputError, RecipeError
from nnstruct.recipes import estimate_search, run_search, run_search_recipe
from nnstruct.recipes.estimate import Estimate, Rate, measured_rate
from nnstruct.recipes.lowered import Lowered
from nnstruct.search import Rungs
from nnstruct.tasks.fewer import fewer_examples

DIGITS = load_task("digits")
SPACE = Space("mlp", units=(4, 12))
CONFIG = TrainConfig(epochs=4, learning_rate=0.01)
TEXT = """
task = { name = "digits" }
space = { families = ["mlp"], units = [4, 9] }
guide = { name = "none" }
search = { generations = 2, per_generation = 3, params = { population = 8, seed = 3 } }
rungs = { fidelities = [0.25, 1.0], reduction = 2, lower = "both" }
train = { epochs = 4, learning_rate = 0.01 }
finish = { top = 0 }
"""


def search_of(folder, **options) -> Search:
    storage = f"sqlite:///{folder / 'search.db'}"
    return Search(SPACE, seed=1, initial=100, rungs=Rungs((0.25, 1), reduction=2), storage=storage, **options)


def carried_out(folder, generations: int, **options) -> Benchmark:
    return run_search(
        search_of(folder), DIGITS, out=folder / "bench", generations=generations, per_generation=2,
        config=CONFIG, workers=1, **options,
    )  # fmt: skip


def test_brief_trainings_are_brief_and_lie_apart(tmp_path) -> None:
    bench = carried_out(tmp_path, 2, lower="epochs")
    low = Benchmark.load(tmp_path / "bench-0.25")
    assert {config.epochs for config in low.configs.values()} == {1}
    assert {config.epochs for config in bench.configs.values()} == {4}
    assert set(bench.fingerprints) < set(low.fingerprints)
    search = search_of(tmp_path)
    history = search.history
    assert 4 <= search.spent < 4 + 2
    assert (history["fidelity"] == 1).sum() == len(bench)
    assert (history["fidelity"] == 0.25).sum() == len(low)
    told = history[history["fidelity"] == 1].set_index("fingerprint")["score"]
    labels = bench.with_target("val_last")
    assert told[labels.fingerprints].tolist() == labels.y.tolist()
    # The better half of those that had one epoch.
    brief = dict(zip(low.fingerprints, low.with_target("val_last").y.tolist(), strict=True))
    kept = [brief[name] for name in bench.fingerprints]
    assert np.mean(kept) > np.mean(list(brief.values()))


def test_a_search_with_rungs_in_two_calls_is_the_search_in_one(tmp_path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    whole = carried_out(tmp_path / "one", 2, lower="examples")
    carried_out(tmp_path / "two", 1, lower="examples")
    parts = carried_out(tmp_path / "two", 2, lower="examples")
    assert whole.fingerprints == parts.fingerprints
    shown = ["fingerprint", "score", "fidelity", "state"]
    histories = [search_of(tmp_path / name).history[shown] for name in ("one", "two")]
    assert histories[0].equals(histories[1])
    low = Benchmark.load(tmp_path / "one" / "bench-0.25")
    assert set(low.table["task_fingerprint"]) == {fewer_examples(DIGITS, 0.25).fingerprint}


def test_a_recipe_says_the_rungs_and_how_long_it_will_take(tmp_path) -> None:
    file, lines = tmp_path / "search-digits.toml", []
    file.write_text(TEXT)
    run = run_search_recipe(file, tmp_path / "found", workers=1, announce=lines.append)
    assert lines[0].startswith("It will take about ")
    assert run.search.rungs == Rungs((0.25, 1), reduction=2)
    (brief,) = Benchmark.load(tmp_path / "found" / "benchmark-0.25").configs.values()
    assert brief.epochs == 2
    assert 6 <= run.search.spent < 6 + 3


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[0.25, 1.0]", "[0.25]", r"\[rungs\].*fidelities must rise to 1"),
        ("reduction = 2", "reduction = 1", r"\[rungs\].*reduction must be"),
        ('lower = "both"', 'lower = "all"', r"\[rungs\].*lower must be one of"),
        ("reduction = 2", "promotion = 2", r"\[rungs\].*promotion"),
    ],
)
def test_wrong_rungs_are_told_by_file_and_key(tmp_path, old, new, sentence) -> None:
    file = tmp_path / "search.toml"
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(RecipeError, match=sentence):
        run_search_recipe(file, tmp_path / "found")


def test_a_share_of_the_examples_is_part_of_a_larger_one() -> None:
    small, large = (fewer_examples(DIGITS, share) for share in (0.1, 0.5))
    assert [len(task.train) for task in (small, large)] == [126, 628]
    rows = [{row.tobytes() for row in task.train.inputs} for task in (small, large, DIGITS)]
    assert rows[0] < rows[1] < rows[2]
    assert fewer_examples(DIGITS, 1) is DIGITS
    assert fewer_examples(DIGITS, 0.5, seed=1).fingerprint != large.fingerprint
    with pytest.raises(InvalidInputError, match="share must be"):
        fewer_examples(DIGITS, 0)


def test_what_a_fidelity_has_less_of(tmp_path) -> None:
    config = TrainConfig(epochs=12)
    for by, epochs, examples in (("epochs", 3, 1257), ("examples", 12, 314), ("both", 6, 628)):
        lowered = Lowered(DIGITS, config, tmp_path / "b", by)
        assert (lowered.config_at(0.25).epochs, len(lowered.task_at(0.25).train)) == (epochs, examples)
        assert lowered.config_at(1) is config
        assert lowered.task_at(1) is DIGITS
    assert Lowered(DIGITS, config, tmp_path / "b").config_at(0.001).epochs == 1
    with pytest.raises(InvalidInputError, match="by must be"):
        Lowered(DIGITS, config, tmp_path, "classes")


def test_an_estimate_is_a_sum_over_the_trainings_of_each_fidelity(monkeypatch) -> None:
    rate = Rate(fixed=0.5, epoch=0.25, example=0.001)
    monkeypatch.setattr("nnstruct.recipes.estimate.measured_rate", lambda *given: (rate, 1.0))
    monkeypatch.setattr("nnstruct.population.costs.relative_cost", lambda *given: 1)
    how = {"trainings": 30, "config": TrainConfig(epochs=8), "seeds": 2, "workers": 2}
    plain = estimate_search(Search(SPACE), DIGITS, **how)
    assert plain.trainings == 60
    assert plain.search == pytest.approx(60 * (0.5 + 8 * (0.25 + 1.257)))
    final = {"top": 3, "final_seeds": 4, "final_config": TrainConfig(epochs=16)}
    longer = estimate_search(Search(SPACE), DIGITS, **how, **final)
    smaller = TrainConfig(epochs=16, resolutions=(0.5, 1.0))  # images with 5/8 of the points in the mean
    shrunk = estimate_search(Search(SPACE), DIGITS, **how, **final | {"final_config": smaller})
    assert shrunk.finalists == pytest.approx(12 * (0.5 + 16 * (0.25 + 0.625 * 1.257)))
    assert longer.finalists == pytest.approx(12 * (0.5 + 16 * (0.25 + 1.257)))
    assert longer.seconds == pytest.approx((longer.search + longer.finalists) / 2)
    halved = estimate_search(Search(SPACE, rungs=Rungs((0.25, 1), reduction=4)), DIGITS, **how)
    # For each full training four of a quarter, so that half of the price goes into either.
    assert halved.trainings == 2 * (15 + 60)
    assert halved.search == pytest.approx(30 * (0.5 + 8 * 1.507) + 120 * (0.5 + 2 * 1.507))
    assert str(Estimate(60, 7200.0, 60.0, 2, 1.0)) == (
        "It will take about 1.0 hours: 60 trainings 2.0 hours of CPU, the finalists 60.0 seconds, 2 at a time"
    ) or "60.5 minutes" in str(Estimate(60, 7200.0, 60.0, 2, 1.0))


def test_a_measured_rate_tells_a_training_that_was_not_measured(monkeypatch) -> None:
    true = Rate(2.0, 0.5, 0.01)

    def build(task, structures, *, config, **_):
        seconds = true.seconds(epochs=config.epochs, examples=len(task.train))
        return SimpleNamespace(costs={"seconds": np.array([seconds])})

    monkeypatch.setattr("nnstruct.benchmark.build", build)
    rate, spent = measured_rate(Structure.from_layers([16, 16]), DIGITS, TrainConfig(batch_size=32))
    assert rate.seconds(epochs=30, examples=1257) == pytest.approx(true.seconds(epochs=30, examples=1257))
    assert spent == pytest.approx(4 * 2.0 + 5 * 0.5 + (3 * 128 + 128 + 512) * 0.01)


def test_a_rate_is_measured_on_a_real_training() -> None:
    rate, spent = measured_rate(Structure.from_layers([16, 16]), DIGITS, TrainConfig(batch_size=32))
    assert spent > 0
    assert min(rate.fixed, rate.epoch, rate.example) >= 0
    assert rate.seconds(epochs=1, examples=100) > 0


def test_only_what_may_be_asked_is_counted(monkeypatch) -> None:
    counted = []

    def rate_of(structure, *given):
        counted.append(structure.num_edges)
        return Rate(0.0, 0.0, 1.0), 0.0

    def cost_of(structure, *given):
        counted.append(structure.num_edges)
        return 1

    monkeypatch.setattr("nnstruct.recipes.estimate.measured_rate", rate_of)
    monkeypatch.setattr("nnstruct.population.costs.relative_cost", cost_of)
    few = Search(SPACE, constraints=[lambda structure: structure.num_edges - 12])
    estimate_search(few, DIGITS, trainings=4)
    assert max(counted) <= 12
