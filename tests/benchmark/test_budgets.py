"""Training budgets: several configurations in one call, any epoch as the target, early ends."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from optuna.pruners import MedianPruner

from nnstruct import Benchmark, Structure, TrainConfig
from nnstruct import build as plain_build
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.population import Rule, check_rule
from nnstruct.tasks import Task

RNG = np.random.default_rng(3)
X = RNG.normal(size=(120, 4))
TASK = Task.from_arrays("signs", X, (X[:, 0] * X[:, 1] > 0).astype(int))
NETS = [Structure.from_layers([n, 2]) for n in range(2, 10)]
build = partial(plain_build, engine="reference")
CONFIG = TrainConfig(epochs=6, batch_size=20, learning_rate=0.01)


def table_of(bench: Benchmark):
    return bench.table.drop(columns=["seconds"])


def test_several_configurations_are_those_of_several_calls(tmp_path) -> None:
    configs = [TrainConfig(epochs=n) for n in (1, 2)]
    both = build(TASK, NETS[:2], config=configs, out=tmp_path / "both", workers=1)
    assert sorted(both.configs) == sorted(config.id for config in configs)
    for config in configs:
        alone = build(TASK, NETS[:2], config=config, workers=1)
        np.testing.assert_array_equal(both.select_config(config.id).y, alone.y)
    with pytest.raises(InvalidInputError, match="config must hold one TrainConfig or more"):
        build(TASK, NETS[:2], config=[])


def test_any_epoch_of_a_curve_is_a_target() -> None:
    bench = build(TASK, NETS[:3], config=TrainConfig(epochs=3), workers=1)
    curves = np.stack(bench.table.sort_values("fingerprint")["val"].to_list())
    losses = np.stack(bench.table.sort_values("fingerprint")["val_loss"].to_list())
    order = np.argsort(np.argsort(bench.fingerprints))
    np.testing.assert_array_equal(bench.with_target("val@2").y, curves[order, 1])
    np.testing.assert_array_equal(bench.with_target("neg_val_loss@1").y, -losses[order, 0])
    assert bench.with_target("val@2").bounds == (0.0, 1.0)
    assert len(bench.with_target("val@4")) == 0
    for name in ("val@0", "test@2", "val@x"):
        with pytest.raises(UnknownNameError):
            bench.with_target(name)


def test_the_median_rule_by_hand() -> None:
    rule = Rule(check_rule(MedianPruner(n_startup_trials=3, n_warmup_steps=1), CONFIG), epochs=4)
    for curve in ([0.1, 0.2, 0.3, 0.4], [0.3, 0.4, 0.5, 0.6], [0.5, 0.6, 0.7, 0.8]):
        rule.see(curve, complete=True)
    watch = rule.begin()
    # Medians of the others: 0.3, 0.4, 0.5, 0.6. Nothing ends in the first epoch, nor behind the last one.
    assert [watch(1, 0.05), watch(2, 0.41), watch(3, 0.49), watch(4, 0.1)] == [False, False, True, False]


def test_hopeless_trainings_end_early_and_are_marked_as_such(tmp_path) -> None:
    whole = build(TASK, NETS, config=CONFIG, workers=1)
    rule = MedianPruner(n_startup_trials=2, n_warmup_steps=1)
    bench = build(TASK, NETS, config=CONFIG, stop=rule, out=tmp_path / "a")
    curves = dict(zip(whole.table["fingerprint"], whole.table["val"], strict=True))
    stopped = bench.table[bench.table["status"] == "stopped"]
    assert 0 < len(stopped) < len(NETS)
    for row in stopped.itertuples():
        done = int(np.isfinite(row.val).sum())
        assert 1 <= done < CONFIG.epochs
        assert row.reason == f"stopped after epoch {done} of {CONFIG.epochs}: MedianPruner"
        assert np.isnan(row.test)
        np.testing.assert_array_equal(row.val[:done], curves[row.fingerprint][:done])
    assert len(bench) == len(NETS) - len(stopped)
    assert len(bench.with_target("val@1")) == len(NETS)
    again = build(TASK, NETS, config=CONFIG, stop=rule, out=tmp_path / "a")
    assert table_of(again).equals(table_of(bench))


def test_an_interrupted_call_goes_on_as_one_that_was_not(tmp_path) -> None:
    how = {"config": CONFIG, "stop": "hyperband"}
    expected = build(TASK, NETS, **how)
    seen = []

    def interrupt(record) -> None:
        seen.append(record)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(TASK, NETS, out=tmp_path / "b", on_record=interrupt, **how)
    found = build(TASK, NETS, out=tmp_path / "b", **how)
    assert table_of(found).equals(table_of(expected))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stop": "mean"}, "stop must be one of"), ({"stop": 3}, "or an Optuna pruner"),
        ({"stop": "median", "engine": "batched"}, "engine must be another one than 'batched'"),
        ({"stop": "median", "executor": "threads"}, "executor must be 'local' with stop="),
    ],
)  # fmt: skip
def test_what_does_not_go_together(change: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        plain_build(TASK, NETS[:1], config=CONFIG, **change)
