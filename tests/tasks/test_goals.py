"""Loss and metrics of each kind of task against their definitions, by hand and by scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, mean_squared_error, r2_score

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.tasks import Goal, Metric, Task

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
WORDS = ["".join(RNG.choice(list("abc"), size=RNG.integers(2, 9))) for _ in range(150)]


def log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def counted(goal: Goal, scores: np.ndarray, targets: np.ndarray, cuts: tuple[int, ...] = (7, 20)):
    """A tally over three batches."""
    tally = goal.tally()
    for part, wanted in zip(np.split(scores, cuts), np.split(targets, cuts), strict=True):
        tally.add(torch.from_numpy(part), torch.from_numpy(wanted))
    return tally


def test_weighted_classes_by_hand() -> None:
    y = (X[:, 0] > 0.8).astype(int)
    task = Task.from_arrays("rare", X, y, class_weights="balanced", metric="balanced_accuracy")
    targets, scores = task.train.targets, RNG.normal(size=(len(task.train), 2)).astype(np.float32)
    shares = np.bincount(targets) / len(targets)
    np.testing.assert_allclose(task.class_weights, 1 / (2 * shares))
    weights = np.asarray(task.class_weights)[targets]
    nll = -log_softmax(scores.astype(float))[np.arange(len(targets)), targets]
    expected = (weights * nll).sum() / weights.sum()
    tally = counted(task.goal, scores, targets)
    assert tally.loss == pytest.approx(expected, rel=1e-6)
    assert float(task.goal.loss(torch.from_numpy(scores), torch.from_numpy(targets))) == pytest.approx(
        expected, rel=1e-6
    )
    assert tally.score == pytest.approx(balanced_accuracy_score(targets, scores.argmax(1)))
    assert tally.value("accuracy") == pytest.approx((scores.argmax(1) == targets).mean())
    assert tally.value("cross_entropy") == pytest.approx(nll.mean(), rel=1e-6)
    assert tally.value("perplexity") == pytest.approx(np.exp(nll.mean()), rel=1e-6)
    assert task.goal.weight(torch.from_numpy(targets)) == pytest.approx(weights.sum())


def test_regression_by_scikit_learn() -> None:
    y = np.stack([10 + 3 * X[:, 0], 1000 * X[:, 1] ** 2], axis=1)
    task = Task.from_arrays("two", X, y, kind="regression")
    assert task.train.targets.dtype == np.float32
    np.testing.assert_allclose(task.train.targets.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(task.train.targets.std(axis=0), 1, rtol=1e-6)
    targets = task.test.targets
    scores = (targets + RNG.normal(size=targets.shape)).astype(np.float32)
    tally = counted(task.goal, scores, targets)
    assert tally.loss == pytest.approx(mean_squared_error(targets, scores), rel=1e-5)
    assert tally.score == pytest.approx(r2_score(targets, scores), rel=1e-5)
    true, given = task.in_units(targets), task.in_units(scores)
    assert r2_score(true, given) == pytest.approx(tally.score, rel=1e-5)
    assert tally.value("mse") == pytest.approx(mean_squared_error(true, given), rel=1e-5)
    assert tally.value("mae") == pytest.approx(mean_absolute_error(true, given), rel=1e-5)
    assert tally.value("neg_mae") == -tally.value("mae")
    assert (task.bounds, task.score_name) == ((-np.inf, 1.0), "r2")
    wanted = {tuple(np.round(row, 3)) for row in y}
    assert {tuple(np.round(row, 3)) for row in task.in_units(targets)} <= wanted
    constant = counted(task.goal, scores, np.zeros_like(scores))
    assert constant.score == r2_score(np.zeros_like(scores), scores) == 0
    assert counted(task.goal, np.zeros_like(scores), np.zeros_like(scores)).score == 1


def test_next_symbol_is_the_perplexity_of_the_string_with_its_end() -> None:
    task = Task.from_sequences("words", WORDS, kind="next-symbol")
    split = task.train
    scores = RNG.normal(size=(*split.inputs.shape, 4)).astype(np.float32)
    log_p = log_softmax(scores.astype(float))
    total, symbols = 0.0, 0
    for row, (sequence, length) in enumerate(zip(split.inputs, split.lengths, strict=True)):
        for step in range(length):
            following = sequence[step + 1] if step + 1 < length else 0  # 0 is the end
            total += log_p[row, step, following]
            symbols += 1
    tally = counted(task.goal, scores, split.targets)
    assert tally.loss == pytest.approx(-total / symbols, rel=1e-5)
    assert tally.score == pytest.approx(np.exp(total / symbols), rel=1e-5)
    assert tally.value("perplexity") == pytest.approx(1 / tally.score, rel=1e-9)
    assert (task.num_outputs, task.bounds) == (4, (0.0, 1.0))
    shorter = [word for word in WORDS if len(word) > 2]
    without = Task.from_sequences("words", shorter, kind="next-symbol", ends=False)
    last = without.test.targets[np.arange(len(without.test)), without.test.lengths - 1]
    assert (last == -1).all()
    assert (without.test.targets != 0).all()


def test_labels_by_step_leave_out_what_is_not_asked() -> None:
    labels = [[-1 if step % 2 else int(sign == "a") for step, sign in enumerate(word)] for word in WORDS]
    task = Task.from_sequences("a", WORDS, labels, kind="sequence-labelling")
    split = task.val
    scores = RNG.normal(size=(*split.inputs.shape, 2)).astype(np.float32)
    asked = split.targets != -1
    beyond = np.arange(split.inputs.shape[1]) >= split.lengths[:, None]
    assert not asked[beyond].any()
    assert not asked[:, 1::2].any()
    nll = -np.take_along_axis(log_softmax(scores.astype(float)), np.abs(split.targets)[..., None], 2)[..., 0]
    tally = counted(task.goal, scores, split.targets, (5, 9))
    assert tally.loss == pytest.approx(nll[asked].mean(), rel=1e-5)
    assert tally.score == pytest.approx((scores.argmax(2) == split.targets)[asked].mean())
    # A module may stop at the longest of the batch, and what it says elsewhere does not matter.
    cut = int(split.lengths.max())
    spoilt = np.where(asked[..., None], scores, 1e6)[:, :cut].astype(np.float32)
    assert counted(task.goal, spoilt, split.targets, (5, 9)).loss == pytest.approx(tally.loss, rel=1e-6)
    assert task.goal.weight(torch.from_numpy(split.targets)) == asked.sum()


def top_two(scores: np.ndarray, targets: np.ndarray) -> float:
    return float(np.mean([y in np.argsort(row)[-2:] for row, y in zip(scores, targets, strict=True)]))


def test_an_own_metric_sees_all_scores_of_a_split_and_travels_to_workers() -> None:
    own = Metric("top2", top_two, (0.0, 1.0), "share within the best two")
    task = Task.from_arrays("largest", X, X.argmax(axis=1), metric=own)
    scores = RNG.normal(size=(len(task.train), 4)).astype(np.float32)
    assert counted(task.goal, scores, task.train.targets).score == top_two(scores, task.train.targets)
    there = pickle.loads(pickle.dumps(task))
    assert (there.score_name, there.bounds, there.fingerprint) == ("top2", (0.0, 1.0), task.fingerprint)
    in_units = Metric("bias", lambda given, true: -abs(float((given - true).mean())), (-np.inf, 0.0))
    tall = Task.from_arrays("tall", X, 50 + 5 * X[:, 0], kind="regression", metric=in_units)
    off = counted(tall.goal, tall.test.targets + np.float32(1), tall.test.targets)
    assert off.score == pytest.approx(-tall.target_scale.std[0], rel=1e-5)  # type: ignore[union-attr]


def test_kind_metric_and_weights_are_part_of_the_fingerprint() -> None:
    y = (X[:, 0] > 0).astype(int)
    plain = Task.from_arrays("plain", X, y)
    others = [
        Task.from_arrays("plain", X, y, metric="balanced_accuracy"),
        Task.from_arrays("plain", X, y, class_weights=[1, 2]),
        Task.from_arrays("plain", X, y, kind="regression"),
        Task.from_arrays("plain", X, 2 * y, kind="regression"),
    ]
    assert len({task.fingerprint for task in (plain, *others)}) == 5
    assert Task.from_arrays("plain", X, y, metric="accuracy").fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "ranking"}, "kind must be one of classification, regression"),
        ({"kind": "next-symbol"}, "kind must be 'classification' or 'regression' for inputs without steps"),
        ({"metric": "r2"}, "metric must be a Metric or one of accuracy, balanced_accuracy"),
        ({"metric": "perplexity"}, "metric must be a Metric or one of"),
        ({"class_weights": [1.0]}, "class_weights must be 2 finite numbers above 0"),
        ({"class_weights": "equal"}, "class_weights must be 'balanced', numbers or None, got 'equal'"),
        ({"kind": "regression", "class_weights": [1.0]}, "without class_weights, for regression"),
        ({"kind": "regression", "metric": "accuracy"}, "metric must be a Metric or one of neg_mae"),
    ],
)
def test_options_that_break_a_rule(options: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Task.from_arrays("own", X, (X[:, 0] > 0).astype(int), **options)


def test_targets_that_break_a_rule() -> None:
    with pytest.raises(InvalidInputError, match=r"be integers from 0.* Real targets need kind='regression'"):
        Task.from_arrays("own", X, X[:, 0])
    with pytest.raises(InvalidInputError, match=r"targets must have shape \[200\] or \[200, K\], got \[3\]"):
        Task.from_arrays("own", X, X[:3, 0], kind="regression")
    with pytest.raises(InvalidInputError, match="targets must be finite"):
        Task.from_arrays("own", X, np.full(200, np.nan), kind="regression")
    with pytest.raises(InvalidInputError, match=r"targets\[1\] must hold 1 classes, one a step, got \[0\]"):
        Task.from_sequences("own", ["ab", "b", "a"], [[0, 1], [], [1]], kind="sequence-labelling")
    with pytest.raises(InvalidInputError, match=r"test\.targets\[0\] must hold a class for one step or more"):
        Task.from_splits(
            "own", (["ab"], [[0, 1]]), (["b"], [[1]]), (["a"], [[-1]]),
            sequences=True, kind="sequence-labelling",
        )  # fmt: skip
    with pytest.raises(InvalidInputError, match="targets must be None for 'next-symbol'"):
        Task.from_sequences("own", WORDS, [0] * len(WORDS), kind="next-symbol")
    tally = Task.from_arrays("own", X, X[:, 0], kind="regression").goal.tally()
    with pytest.raises(UnknownNameError, match="metric of real targets must be one of"):
        tally.value("accuracy")
