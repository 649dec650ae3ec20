"""Schedules, and what they leave behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pruning_networks import clean, cnn, digits, images, masked_mlp, mlp, strings

from nnstruct import Structure, TrainConfig
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.modules.program.module import program_module
from nnstruct.pruning import (
    Schedule,
    Trajectory,
    compare,
    load_trajectories,
    masks_of,
    plot_accuracy,
    run_trajectories,
    run_trajectory,
    save_trajectories,
    thresholds,
    to_benchmark,
    trajectory_table,
)
from nnstruct.pruning.methods.movement import cubic
from nnstruct.pruning.selection import apportion, largest
from nnstruct.pruning.trajectories import run as run_module
from nnstruct.pruning.trajectories import trained_once
from nnstruct.pruning.trajectories.run import plan_trajectory

CONFIG = TrainConfig(epochs=3, batch_size=64, learning_rate=3e-3)
DENSITIES = [0.5, 0.2, 0.05]


def make(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return mlp()


def run(schedule: str | Schedule = "iterative", **settings) -> Trajectory:
    given = {"config": CONFIG} | ({"retrain": 2} if isinstance(schedule, str) else {}) | settings
    return run_trajectory(make, digits(), DENSITIES, schedule=schedule, **given)


@pytest.fixture(scope="module")
def runs() -> list[Trajectory]:
    return [
        run(schedule, seed=seed, label=schedule)
        for schedule in ("iterative", "one-shot", "gradual", "rewind")
        for seed in (0, 1)
    ]


def test_every_schedule_keeps_the_counts_and_the_lineage(runs):
    for trajectory in runs:
        table = trajectory.table
        assert table["kept"].tolist() == [2080, 1040, 416, 104]
        assert table["epochs"].tolist() == [3, 2, 2, 2]
        assert np.isfinite(table.filter(like="_test").to_numpy()).all()
        structures = trajectory.structures
        assert [structure.num_edges for structure in structures] == table["kept"].tolist()
        parents = [structure.origin["parent"] for structure in structures]
        names = [structure.fingerprint for structure in structures]
        stepwise = trajectory.label in ("iterative", "rewind")
        assert parents == [None, *(names[:-1] if stepwise else [names[0]] * 3)]
        assert [structure.origin["amount"] for structure in structures] == [1.0, *DENSITIES]
        assert {structure.origin["kind"] for structure in structures} == {"pruning"}
        assert all(len(step.curves["val"]) == step.epochs for step in trajectory.steps)


def test_iterative_steps_are_nested_and_pruned_structures_run_again(runs):
    edges = [set(map(tuple, s.edge_index.T.tolist())) for s in runs[0].structures]
    assert edges[0] > edges[1] > edges[2] > edges[3]
    module = program_module(runs[0].structures[2])
    assert module(torch.zeros(3, 64)).shape == (3, 10)


def test_the_same_seed_gives_the_same_trajectory(runs):
    again = run(seed=0, label="iterative")
    first, second = (t.table.drop(columns="seconds") for t in (runs[0], again))
    pd.testing.assert_frame_equal(first, second)
    assert again.structures == runs[0].structures
    assert not runs[1].table["after_test"].equals(runs[0].table["after_test"])


def test_the_source_is_left_alone():
    module = make(0)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    run_trajectory(module, digits(), [0.5], config=CONFIG)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert masks_of(module) == {}


def test_rewinding_goes_back_to_the_values_of_an_early_epoch():
    schedule = Schedule("rewind", retrain=0, rewind_epoch=3)
    late = run_trajectory(make, digits(), [0.5], schedule=schedule, config=CONFIG)
    assert late.steps[1].after == pytest.approx(late.steps[1].before)
    start = run_trajectory(make, digits(), [0.5], schedule=Schedule("rewind", retrain=0), config=CONFIG)
    assert start.steps[1].before == late.steps[1].before
    assert start.steps[1].after["train_loss"] > late.steps[1].after["train_loss"]


def test_pruning_at_initialisation_trains_afterwards():
    trajectory = run("one-shot", method="snip", pretrain=0, samples=32)
    dense = trajectory.dense
    assert dense.epochs == 2
    assert dense.before["test"] != dense.after["test"]
    assert trajectory.steps[1].before["train_loss"] > 2.0
    assert trajectory.steps[1].after["train_loss"] < trajectory.steps[1].before["train_loss"]


def test_a_variable_budget_stops_where_nothing_comes_any_more():
    trajectory = run("one-shot", retrain=12, patience=1, config=CONFIG.model_copy(update={"epochs": 8}))
    epochs = [step.epochs for step in trajectory.steps[1:]]
    assert min(epochs) < 12
    for step in trajectory.steps[1:]:
        assert step.after["val"] == pytest.approx(step.curves["val"].max())
    assert run(retrain=[1, 2, 3]).table["epochs"].tolist() == [3, 1, 2, 3]


@pytest.mark.parametrize("options", [{"method": "rigl"}, {"schedule": "gradual"}])
def test_what_a_method_leaves_is_trained_to_the_finish(options):
    schedule, method = options.get("schedule", "one-shot"), options.get("method", "random")
    plain = run(Schedule(schedule, retrain=2), method=method)
    longer = run(Schedule(schedule, retrain=2, finish=3), method=method)
    assert longer.table["epochs"].tolist() == [3, 5, 5, 5]
    for step, other in zip(longer.steps[1:], plain.steps[1:], strict=True):
        assert step.kept == other.kept
        assert step.before == pytest.approx(other.after)
        assert step.after["train_loss"] < step.before["train_loss"]


def test_weights_that_read_a_pruned_channel_are_not_counted():
    torch.manual_seed(0)
    trajectory = run_trajectory(
        cnn(), images(), [0.25], method="channels", config=CONFIG, pretrain=0, retrain=0, structures=False
    )
    assert trajectory.table["kept"].tolist() == [8 * 9 + 12 * 8 * 9 + 480, 2 * 9 + 3 * 2 * 9 + 3 * 4 * 10]
    assert trajectory.table["total"].tolist() == 2 * [1416]


def test_re_training_has_its_own_rate():
    slow = run(Schedule(retrain=2, retrain_rate=1e-7))
    quick = run(Schedule(retrain=2, retrain_rate=1e-2))
    assert slow.dense.after == quick.dense.after
    assert slow.steps[1].after["train_loss"] == pytest.approx(slow.steps[1].before["train_loss"], rel=1e-3)
    assert quick.steps[1].after["train_loss"] < 0.9 * quick.steps[1].before["train_loss"]
    same = run(Schedule(retrain=2, retrain_rate=CONFIG.learning_rate))
    assert [step.after for step in same.steps] == [step.after for step in run(retrain=2).steps]


def test_settings_that_came_later_are_not_in_files_that_do_without_them():
    assert {"finish", "retrain_rate"}.isdisjoint(Schedule().to_dict())
    chosen = Schedule("gradual", finish=1, retrain_rate=0.1)
    assert Schedule(**chosen.to_dict()) == chosen


@pytest.mark.parametrize("method", ["movement", "gumbel-softmax", "set", "rigl"])
def test_methods_that_train_have_no_score_before(method):
    trajectory = run("one-shot", method=method)
    assert trajectory.table["kept"].tolist() == [2080, 1040, 416, 104]
    assert trajectory.table["before_test"].isna().tolist() == [False, True, True, True]
    with pytest.raises(InvalidInputError, match="schedule must be one-shot or iterative"):
        run("gradual", method=method)


def test_sr_ste_tells_how_far_its_mask_moved():
    trajectory = run_trajectory(
        make, digits(), [0.5, 0.25], method="sr-ste", schedule="one-shot", config=CONFIG, retrain=4
    )
    assert [step.kept for step in trajectory.steps] == [2080, 1040, 520]


@pytest.mark.parametrize(
    ("network", "task", "dense"),
    [
        (lambda seed: clean("rnn_tanh"), strings, 192),
        (lambda seed: masked_mlp(), digits, 288),
        (lambda seed: cnn(), images, 1416),
        (Structure.from_layers([8, 8], family="gru"), strings, 192),
        ("lstm:6", strings, 36),
        ("cnn:4-6", images, None),
    ],
)
def test_every_kind_of_network_has_trajectories(network, task, dense):
    trajectory = run_trajectory(network, task(), [0.5], config=TrainConfig(epochs=1))
    kept, total = trajectory.steps[1].kept, trajectory.steps[1].total
    assert kept == round(0.5 * total)
    assert dense in (None, total)
    assert trajectory.structures[1].num_edges <= trajectory.structures[0].num_edges


def test_files_bring_back_what_was_saved(runs, tmp_path):
    file = save_trajectories(runs, tmp_path / "deep" / "runs.parquet")
    back = load_trajectories(file)
    pd.testing.assert_frame_equal(trajectory_table(back), trajectory_table(runs))
    for ours, theirs in zip(runs, back, strict=True):
        assert ours.structures == theirs.structures
        assert [dict(s.origin) for s in ours.structures] == [dict(s.origin) for s in theirs.structures]
        assert (ours.config, ours.method, ours.schedule) == (theirs.config, theirs.method, theirs.schedule)
        for first, second in zip(ours.steps, theirs.steps, strict=True):
            assert all(np.array_equal(first.curves[name], second.curves[name]) for name in first.curves)
    assert save_trajectories(runs, tmp_path / "again.parquet").read_bytes() == file.read_bytes()
    bare = run(structures=False)
    assert Trajectory.load(bare.save(tmp_path / "bare.parquet")).structures == []


def test_damaged_and_missing_files_are_told(runs, tmp_path):
    file = runs[0].save(tmp_path / "run.parquet")
    with pytest.raises(InvalidInputError, match="hold one trajectory"):
        Trajectory.load(save_trajectories(runs[:2], tmp_path / "two.parquet"))
    with pytest.raises(MissingDataError):
        load_trajectories(tmp_path / "none.parquet")
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptFileError, match="not a readable Parquet file"):
        load_trajectories(file)
    pd.DataFrame({"a": [1]}).to_parquet(file)
    with pytest.raises(CorruptFileError, match="holds no trajectories"):
        load_trajectories(file)


def test_a_benchmark_holds_every_structure_once(runs):
    after, before = to_benchmark(runs), to_benchmark(runs, "before")
    assert after.table["seed"].isin([0, 1]).all()
    dense = runs[0].structures[0].fingerprint
    assert (after.table["fingerprint"] == dense).sum() == 2
    by_name = dict(zip(after.table["fingerprint"], after.table["test"], strict=True))
    assert by_name[runs[0].structures[2].fingerprint] == runs[0].steps[2].after["test"]
    earlier = dict(zip(before.table["fingerprint"], before.table["test"], strict=True))
    assert earlier[runs[0].structures[2].fingerprint] == runs[0].steps[2].before["test"]
    assert len(after) == len(after.y)
    assert after.split(seed=0)[0].structures


def test_a_benchmark_of_trajectories_is_saved_and_loaded(runs, tmp_path):
    bench = to_benchmark(runs[:2])
    bench.save(tmp_path / "bench")
    assert type(bench).load(tmp_path / "bench").y == pytest.approx(bench.y)


def test_thresholds_are_the_largest_fractions_without_a_loss(runs):
    table = thresholds(runs)
    assert table.index.tolist() == ["iterative", "one-shot", "gradual", "rewind"]
    assert (table["seeds"] == 2).all()
    for label, row in table.iterrows():
        found = []
        for trajectory in runs:
            if trajectory.label == label:
                by_fraction = sorted(trajectory.steps, key=lambda s: 1 - s.kept / s.total)
                lost = [s.after["test"] < trajectory.dense.after["test"] for s in by_fraction]
                last = by_fraction[lost.index(True) - 1 if any(lost) else -1]
                found.append(1 - last.kept / last.total)
        assert row["generalises"] == pytest.approx(np.mean(found))
        assert row["generalises_low"] <= row["generalises"] <= row["generalises_high"]
    assert (thresholds(runs, tolerance=1.0)["fits"] == 1 - 104 / 2080).all()
    assert thresholds(runs[:1])["fits_low"].isna().all()


def test_what_lies_behind_a_loss_is_no_threshold(runs):
    """Half is kept without a loss, a quarter with one; that a tenth is lucky does not count."""
    dense = runs[0].dense
    steps = [
        replace(dense, kept=kept, total=100, after=dict.fromkeys(dense.after, accuracy))
        for kept, accuracy in ((100, 0.9), (50, 0.9), (25, 0.8), (10, 0.95))
    ]
    trajectory = replace(runs[0], steps=tuple(steps))
    assert thresholds([trajectory])[["fits", "generalises"]].values.tolist() == [[0.5, 0.5]]
    shuffled = replace(runs[0], steps=(steps[0], *steps[:0:-1]))
    assert thresholds([shuffled])["fits"].item() == 0.5
    assert thresholds([trajectory], tolerance=0.11)["fits"].item() == 0.9


def test_compared_ways_are_paired_by_seed(runs):
    first, second = runs[:2], runs[2:4]
    table = compare(first, second)
    assert table.index.tolist() == [1.0, *DENSITIES]
    assert table.loc[1.0, "difference"] == 0
    assert table.loc[1.0, "p"] == 1
    expected = np.mean(
        [a.steps[3].after["test"] - b.steps[3].after["test"] for a, b in zip(first, second, strict=True)]
    )
    assert table.loc[0.05, "difference"] == pytest.approx(expected)
    assert compare(second, first)["difference"].to_numpy() == pytest.approx(-table["difference"].to_numpy())
    with pytest.raises(InvalidInputError, match="hold each seed once"):
        compare(runs, runs)


def test_the_plot_has_a_line_a_label_and_a_band(runs):
    import matplotlib as mpl

    mpl.use("Agg")
    ax = plot_accuracy(runs)
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) == 4]
    assert [line.get_label() for line in lines] == ["iterative", "one-shot", "gradual", "rewind"]
    mean = np.mean([trajectory.steps[1].after["test"] for trajectory in runs[:2]])
    assert mean == pytest.approx(lines[0].get_ydata()[list(lines[0].get_xdata()).index(0.5)])
    assert len(ax.collections) == 4
    with pytest.raises(InvalidInputError, match="column of a trajectory's table"):
        plot_accuracy(runs, score="accuracy")


def test_a_grid_is_resumed(tmp_path):
    done: list[str] = []
    settings = {"seeds": 2, "out": tmp_path, "config": TrainConfig(epochs=1)}
    settings["on_trajectory"] = lambda trajectory: done.append(trajectory.label)
    ways = {"blind": {"method": "magnitude-class-blind"}, "apart": {"method": "random", "classes": "uniform"}}
    first = run_trajectories("mlp:8", digits(), [0.5], ways, **settings)
    assert done == ["blind", "blind", "apart", "apart"]
    (tmp_path / "apart-seed1.parquet").unlink()
    done.clear()
    again = run_trajectories("mlp:8", digits(), [0.5], ways, **settings)
    assert done == ["apart"]
    drop = {"columns": "seconds"}
    pd.testing.assert_frame_equal(trajectory_table(first).drop(**drop), trajectory_table(again).drop(**drop))
    with pytest.raises(InvalidInputError, match="hold trajectories of the same settings"):
        run_trajectories("mlp:9", digits(), [0.5], ways, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"densities": [0.5, 0.5]}, "densities must fall"),
        ({"densities": []}, "densities must fall"),
        ({"schedule": "sometimes"}, "schedule must be one of"),
        ({"retrain": [1]}, "retrain must hold one number for each"),
        ({"retrain": -1}, "retrain must hold integers"),
        ({"pretrain": -1}, "pretrain must be an integer"),
        ({"schedule": "gradual", "retrain": 0}, "retrain must be at least 1"),
        ({"schedule": Schedule("rewind", rewind_epoch=9)}, "rewind_epoch must be at most"),
        ({"schedule": Schedule(), "retrain": 1}, "be given in the Schedule"),
        ({"schedule": Schedule(finish=-1)}, "finish must be an integer, at least 0, got -1"),
        (
            {"schedule": Schedule(finish=1)},
            "finish must be 0 for 'magnitude-class-blind', which prunes",
        ),
        ({"schedule": Schedule(retrain_rate=0.0)}, "retrain_rate must be a positive number, got 0.0"),
    ],
)
def test_wrong_settings_are_told(settings, message):
    given = {"densities": [0.5, 0.1], "config": CONFIG} | settings
    with pytest.raises(InvalidInputError, match=message):
        plan_trajectory(make, digits(), given.pop("densities"), **given)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
    st.floats(0, 1),
)
def test_the_largest_are_chosen_and_ties_go_to_the_first(values, flags, share):
    scores, alive = torch.tensor(values, dtype=torch.float32), torch.tensor(flags[: len(values)])
    count = round(share * int(alive.sum()))
    chosen = largest([scores], [alive], count)[0]
    ranked = sorted((place for place in range(len(values)) if flags[place]), key=lambda i: (-values[i], i))
    assert sorted(ranked[:count]) == torch.nonzero(chosen)[:, 0].tolist()


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 50)), min_size=1, max_size=6), st.floats(0, 1))
def test_apportioned_parts_add_up_and_fit(parts, share):
    shares, capacities = [part[0] for part in parts], [part[1] for part in parts]
    count = round(share * sum(capacities))
    found = apportion(shares, capacities, count)
    assert sum(found) == count
    assert all(0 <= value <= room for value, room in zip(found, capacities, strict=True))


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_cubic_density_falls_from_start_to_end(early, late):
    early, late = sorted((early, late))
    assert cubic(0, 1.0, 0.1) == 1.0
    assert cubic(1, 1.0, 0.1) == pytest.approx(0.1)
    assert cubic(early, 1.0, 0.1) >= cubic(late, 1.0, 0.1)


def test_trajectories_from_the_same_dense_network_train_it_once(monkeypatch):
    trained_once._kept.clear()
    trained = []
    real = run_module.train_in_place

    def counted(module, task, config, **options):
        trained.append(config.epochs)
        return real(module, task, config, **options)

    monkeypatch.setattr(run_module, "train_in_place", counted)
    options = {"config": TrainConfig(epochs=2), "retrain": 1, "structures": False}
    first = run_trajectory("mlp:6", digits(), [0.5], method="random", seed=3, **options)
    assert trained == [2, 1]
    second = run_trajectory("mlp:6", digits(), [0.5], method="magnitude-class-blind", seed=3, **options)
    assert trained == [2, 1, 1]
    assert second.dense.after == first.dense.after
    assert second.dense.curves["val"].tolist() == first.dense.curves["val"].tolist()
    trained_once._kept.clear()
    alone = run_trajectory("mlp:6", digits(), [0.5], method="magnitude-class-blind", seed=3, **options)
    pd.testing.assert_frame_equal(
        alone.table.drop(columns="seconds"), second.table.drop(columns="seconds"), check_exact=True
    )
    for other in ({"seed": 4}, {"seed": 3, "config": TrainConfig(epochs=2, learning_rate=0.1)}):
        trained.clear()
        run_trajectory("mlp:6", digits(), [0.5], method="random", **(options | other))
        assert trained == [2, 1]
    trained.clear()
    fresh = {"pretrain": 0, "retrain": 2, "schedule": "one-shot"}
    run_trajectory("mlp:6", digits(), [0.5], method="random", seed=3, **(options | fresh))
    assert trained == [2]  # the re-training: its dense network is that of the first


def test_only_a_few_dense_networks_are_kept():
    trained_once._kept.clear()
    for seed in range(trained_once.MOST_KEPT + 3):
        run_trajectory("mlp:4", digits(), [0.5], seed=seed, config=TrainConfig(epochs=1), structures=False)
    assert len(trained_once._kept) == trained_once.MOST_KEPT
