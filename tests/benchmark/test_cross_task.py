"""Structures on several tasks: correlations, components of variance and properties by definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nnstruct import Benchmark, Structure
from nnstruct.benchmark import CrossTask, noise_ceiling
from nnstruct.benchmark.task_plot import alike_first
from nnstruct.benchmark.task_statistics import normal_scores
from nnstruct.errors import InvalidInputError
from nnstruct.record import Record

NETS = [Structure.from_layers([1 + i % 20, 1 + i // 20, 2]) for i in range(300)]


def trained(task: str, values: np.ndarray, nets=NETS, first: int = 0) -> Benchmark:
    """A benchmark of given test scores, float [structures, seeds], the seeds numbered from the first."""
    curve = np.zeros(1)
    records = [
        Record(net.fingerprint, net.family, task, f"{len(task):016d}", "c", first + seed, "ok", curve, curve,
               curve, float(value), 0.0, 1, 0.0, "none")
        for net, row in zip(nets, values, strict=True)
        for seed, value in enumerate(row)
    ]  # fmt: skip
    return Benchmark.from_records(nets, records, metric="r2")


def drawn(
    structure: float, both: float, seed: float, *, start=0.0, tasks: int = 4, seeds: int = 3, at: int = 0
):
    """Labels of the two-way random-effects model with these variances, float [structures, tasks, seeds]."""
    rng = np.random.default_rng(at)
    s = rng.normal(size=(len(NETS), 1, 1)) * structure**0.5
    t = rng.normal(size=(1, tasks, 1)) * 3
    st = rng.normal(size=(len(NETS), tasks, 1)) * both**0.5
    first = rng.normal(size=(len(NETS), 1, seeds)) * start**0.5
    return s + t + st + first + rng.normal(size=(len(NETS), tasks, seeds)) * seed**0.5


def crossed(values: np.ndarray) -> CrossTask:
    return CrossTask({f"t{'x' * i}": trained(f"t{'x' * i}", values[:, i]) for i in range(values.shape[1])})


def test_the_shares_are_those_of_the_analysis_of_variance():
    values = drawn(0.5, 0.3, 0.2, tasks=3, seeds=2)
    s, t, k = values.shape
    grand, rows, columns, cells = (
        values.mean(),
        values.mean((1, 2)),
        values.mean((0, 2)),
        values.mean(2),
    )
    ms_s = t * k * ((rows - grand) ** 2).sum() / (s - 1)
    ms_t = s * k * ((columns - grand) ** 2).sum() / (t - 1)
    ms_st = k * ((cells - rows[:, None] - columns + grand) ** 2).sum() / ((s - 1) * (t - 1))
    ms_e = ((values - cells[:, :, None]) ** 2).sum() / (s * t * (k - 1))
    parts = np.array([(ms_s - ms_st) / (t * k), (ms_t - ms_st) / (s * k), (ms_st - ms_e) / k, ms_e])
    # Seeds of different tasks have nothing in common here.
    tasks = {"x" * (i + 1): trained("x" * (i + 1), values[:, i], first=i * k) for i in range(t)}
    table = CrossTask(tasks).variance("label", resamples=50)
    share = table["share"]
    found = [*share[["structure", "task", "interaction"]], share["start"] + share["training"]]
    np.testing.assert_allclose(found, parts / parts.sum(), rtol=1e-9)
    assert share["start"] == 0.0
    np.testing.assert_allclose(table.loc["everywhere", "share"], parts[0] / (parts[0] + parts[2]), rtol=1e-9)
    assert (table["low"] <= table["share"]).all()
    assert (table["share"] <= table["high"]).all()


def test_true_shares_lie_in_the_intervals():
    inside = 0
    for at in range(8):
        table = crossed(drawn(0.5, 0.3, 0.2, at=at)).variance(resamples=100)
        assert table.loc["task", "share"] == 0.0
        inside += table.loc["everywhere", "low"] < 0.625 < table.loc["everywhere", "high"]
        assert table["share"][:5].sum() == pytest.approx(1.0)
    assert inside >= 6


def test_a_start_that_is_good_on_every_task_is_not_taken_for_the_structure():
    values = drawn(0.4, 0.2, 0.2, start=0.8, tasks=2, at=5)
    cross = crossed(values)
    plain, fixed = (cross.matrix(corrected=c).to_numpy()[0, 1] for c in (False, True))
    assert fixed < plain
    assert fixed == pytest.approx(2 / 3, abs=0.12)
    table = cross.variance(resamples=100)
    for name, true in (("structure", 0.25), ("interaction", 0.125), ("start", 0.5), ("training", 0.125)):
        assert table.loc[name, "low"] - 0.03 < true < table.loc[name, "high"] + 0.03
    # By hand: the covariance of the means, less a third of that of trainings with one seed.
    a, b = (normal_scores(values[:, i].ravel()).reshape(-1, 3) for i in range(2))
    rest = [x - x.mean(axis=1, keepdims=True) for x in (a, b)]
    means = np.cov(a.mean(1), b.mean(1))
    noise = np.array([[(x * y).sum() / (2 * len(NETS)) / 3 for x in rest] for y in rest])
    true = means - noise
    assert fixed == pytest.approx(true[0, 1] / (true[0, 0] * true[1, 1]) ** 0.5)


def test_noise_lowers_correlations_and_the_correction_restores_them():
    cross = crossed(drawn(0.6, 0.4, 1.5, tasks=2, at=3))
    (row,) = cross.correlations(resamples=100).to_dict("records")
    assert row["correlation"] == pytest.approx(0.4, abs=0.1)  # 0.6 / (1 + 1.5 / 3)
    assert row["corrected_low"] < 0.6 < row["corrected_high"] < 0.9
    assert row["corrected"] > row["correlation"] + 0.1
    assert row["low"] < row["correlation"] < row["high"]
    plain, fixed = (cross.matrix(corrected=c).to_numpy()[0, 1] for c in (False, True))
    assert (plain, fixed) == pytest.approx((row["correlation"], row["corrected"]))


def test_ceilings_are_those_of_the_benchmarks_own_formula():
    values = drawn(0.6, 0.4, 1.5, tasks=2)
    (row,) = crossed(values).correlations(resamples=10).to_dict("records")
    groups = np.repeat(np.arange(len(NETS)), 3)
    for name, at in (("ceiling_a", 0), ("ceiling_b", 1)):
        assert row[name] == pytest.approx(noise_ceiling(normal_scores(values[:, at].ravel()), groups).value)


def test_a_monotone_change_of_a_metric_changes_nothing_on_ranks():
    values = drawn(0.6, 0.4, 0.2, tasks=3)
    bent = values.copy()
    bent[:, 1] = np.exp(bent[:, 1])
    first, second = crossed(values), crossed(bent)
    np.testing.assert_allclose(first.matrix(), second.matrix())
    np.testing.assert_allclose(first.variance(resamples=5), second.variance(resamples=5), equal_nan=True)


def test_without_seeds_nothing_is_corrected():
    cross = crossed(drawn(0.5, 0.3, 0.2, seeds=1))
    table = cross.correlations(resamples=20)
    assert table["corrected"].isna().all()
    assert table["correlation"].notna().all()
    assert np.isfinite(cross.matrix()).all(axis=None)
    shares = cross.variance(resamples=20)
    assert np.isnan(shares.loc["training", "share"])
    assert shares.loc["interaction", "share"] > 0.3


def test_properties_that_matter_everywhere_and_on_one_task():
    size = np.array([net.num_units for net in NETS], dtype=float)
    noise = np.random.default_rng(0).normal(size=(3, len(NETS), 2))
    up, down, none = size[:, None] + noise[0], -size[:, None] + noise[1], 10 * noise[2]
    both = CrossTask({"a": trained("a", up), "bb": trained("bb", up + noise[2])}).property_correlations()
    assert both.loc["paper.nodes", "everywhere"] == 1
    mixed = CrossTask({"a": trained("a", up), "bb": trained("bb", down), "ccc": trained("ccc", none)})
    table = mixed.property_correlations()
    assert (table["everywhere"] == 0).all()
    rho = stats.spearmanr(size, up.mean(1)).statistic
    assert table.loc["paper.nodes", "a"] == pytest.approx(rho)
    assert table.loc["paper.nodes", "spread"] == pytest.approx(table.loc["paper.nodes", mixed.tasks].std())


def test_only_common_structures_count_and_a_family_can_be_chosen():
    values = drawn(0.5, 0.3, 0.2, tasks=2)
    other = [Structure.from_layers([1 + n, 4]) for n in range(4)]
    gru = [Structure.from_layers([1 + n, 3], family="gru") for n in range(5)]
    cross = CrossTask(
        {
            "a": trained("a", np.vstack([values[:5, 0], values[5:10, 0]]), [*NETS[:5], *gru]),
            "bb": trained("bb", np.vstack([values[5:10, 1], values[:5, 1], values[:4, 1]]),
                          [*gru, *NETS[:5], *other]),
        }
    )  # fmt: skip
    assert (len(cross), cross.left_out) == (10, 4)
    part = cross.select_family("gru")
    assert [s.family for s in part.structures] == ["gru"] * 5
    np.testing.assert_allclose(part.labels(), np.stack([values[5:10, 0].mean(1), values[5:10, 1].mean(1)], 1))
    with pytest.raises(InvalidInputError, match="family must be the family of at least 3 structures"):
        cross.select_family("lstm")


def test_tasks_that_are_alike_stand_side_by_side():
    matrix = np.array([[1, 0.1, 0.9, 0.2], [0.1, 1, 0, 0.8], [0.9, 0, 1, 0.1], [0.2, 0.8, 0.1, 1]])
    order = alike_first(matrix)
    assert abs(order.index(0) - order.index(2)) == 1 == abs(order.index(1) - order.index(3))
    axes = crossed(drawn(0.5, 0.3, 0.2)).plot()
    assert len(axes.texts) == 16


def test_scores_from_elsewhere_with_their_noise():
    values = drawn(0.6, 0.4, 1.0, tasks=2, seeds=3)
    scored = {
        name: Benchmark.from_scores(
            NETS, values[:, i].mean(1), values[:, i].std(1, ddof=1), task=name, seeds=3
        )
        for i, name in enumerate(("a", "b"))
    }
    (told,) = CrossTask(scored).correlations(resamples=10).to_dict("records")
    (seen,) = crossed(values).correlations(resamples=10).to_dict("records")
    assert told["corrected"] == pytest.approx(seen["corrected"], abs=0.05)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "benchmarks must be at least two"),
        ("reber", "benchmarks must be a mapping or a sequence of Benchmark"),
        ({"a": 3, "b": 4}, "benchmarks must hold a Benchmark for each task"),
    ],
)
def test_what_is_no_set_of_benchmarks(given, says):
    with pytest.raises(InvalidInputError, match=says):
        CrossTask(given)


def test_tasks_need_names_and_common_structures():
    values = drawn(0.5, 0.3, 0.2, tasks=2)
    one = trained("a", values[:, 0])
    with pytest.raises(InvalidInputError, match="be of tasks with distinct names"):
        CrossTask([one, one])
    with pytest.raises(InvalidInputError, match="at least 3 structures with a label on every task"):
        CrossTask({"a": trained("a", values[:2, 0], NETS[:2]), "b": one})
