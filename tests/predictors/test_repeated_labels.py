"""Labels of structures that were measured several times: noise of a training and the structure's own part."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Structure, load_predictor
from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.predictors.repeated import Repeats, names_of, same

STRUCTURES = [Structure.from_layers([2, width, depth]) for width in range(1, 9) for depth in range(1, 5)]
OWN, TRAINING = 0.6, 0.3


def told(often: int, seed: int = 0) -> tuple[list[Structure], np.ndarray, np.ndarray]:
    """Structures, half of them ``often``, labels with both deviations, and each structure's true mean."""
    rng = np.random.default_rng(seed)
    truth = np.array([s.num_units / 4 for s in STRUCTURES]) + OWN * rng.standard_normal(len(STRUCTURES))
    counts = np.where(np.arange(len(STRUCTURES)) % 2, often, 1)
    rows = np.repeat(np.arange(len(STRUCTURES)), counts)
    y = truth[rows] + TRAINING * rng.standard_normal(len(rows))
    return [STRUCTURES[row] for row in rows], y, truth


def test_the_posterior_is_that_of_all_labels_in_one_matrix() -> None:
    rows, y, _ = told(4)
    model = GroupedGaussianProcess(label="identity").fit(rows, y)
    assert model.own_ > 0
    mean, covariance, noise = model.joint(STRUCTURES)
    # Every label by itself: covariances of the function, of a structure's own part, noise on the diagonal.
    scaled = model._scaled(model.table_.transform(STRUCTURES))
    prior = model.kernel_(scaled, scaled) + model.own_ * np.eye(len(STRUCTURES))
    member = np.array([STRUCTURES.index(structure) for structure in rows])
    of_labels = prior[np.ix_(member, member)] + model.training_ * np.eye(len(rows))
    cross = prior[:, member]
    z = model.transform_.transform(y)
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(of_labels, z), atol=1e-7)
    expected = prior - cross @ np.linalg.solve(of_labels, cross.T)
    np.testing.assert_allclose(covariance, expected, atol=1e-7)
    assert noise == model.training_


def test_both_parts_of_the_noise_are_found() -> None:
    rows, y, _ = told(8)
    model = GroupedGaussianProcess(label="identity").fit(rows, y)
    unit = model.transform_.unit * model.transform_.scale
    assert np.sqrt(model.training_) * unit == pytest.approx(TRAINING, rel=0.25)
    assert np.sqrt(model.own_) * unit == pytest.approx(OWN, rel=0.5)
    assert model.training_ + model.own_ == pytest.approx(model.kernel_.noise)


def test_a_structure_measured_often_is_believed_what_it_had() -> None:
    rows, y, truth = told(12)
    model = GroupedGaussianProcess(label="identity").fit(rows, y)
    often = np.arange(len(STRUCTURES)) % 2 == 1
    mean, std = model.expected(STRUCTURES)
    off = mean - truth
    assert np.sqrt((off[often] ** 2).mean()) < 2 * TRAINING / np.sqrt(12)
    assert std[often].max() < std[~often].min()
    # Deviations are as large as they are said to be.
    assert 0.6 < np.sqrt(((off / std) ** 2).mean()) < 1.5
    np.testing.assert_allclose(model.predict(STRUCTURES), mean)
    strange = [Structure.from_layers([2, 3, 1, 2])]
    assert model.expected(strange)[1][0] > std[often].max()


def test_without_repeats_all_noise_is_the_trainings() -> None:
    rows, y, _ = told(1)
    model = GroupedGaussianProcess().fit(rows, y)
    assert (model.training_, model.own_) == (model.kernel_.noise, 0.0)
    again = GroupedGaussianProcess().fit(rows, y).condition(rows, y)
    np.testing.assert_allclose(again.predict(rows), model.predict(rows), rtol=1e-9)


def test_conditioning_on_repeats_is_fitting_to_them() -> None:
    rows, y, _ = told(3)
    model = GroupedGaussianProcess().fit(rows, y)
    before = model.expected(STRUCTURES)
    np.testing.assert_array_equal(model.condition(rows, y).expected(STRUCTURES), before)


def test_known_deviations_stand_by_each_label() -> None:
    one = STRUCTURES[0]
    rows, y = [*STRUCTURES, one], np.array([s.num_units / 4 for s in STRUCTURES] + [9.0])
    exact = np.full(len(rows), 0.01)
    exact[-1] = 5.0
    model = GroupedGaussianProcess(label="identity").fit(rows, y, y_std=exact)
    assert model.own_ == 0
    assert model.predict([one])[0] < 3


def test_a_saved_process_knows_its_structures(tmp_path) -> None:
    rows, y, _ = told(5)
    model = GroupedGaussianProcess().fit(rows, y)
    model.save(tmp_path / "gp")
    loaded = load_predictor(tmp_path / "gp")
    assert loaded.own_ == model.own_ > 0
    np.testing.assert_allclose(loaded.expected(STRUCTURES), model.expected(STRUCTURES), rtol=1e-9)
    np.testing.assert_allclose(loaded.joint(STRUCTURES[:3])[1], model.joint(STRUCTURES[:3])[1], rtol=1e-6)


def test_some_of_the_structures_with_all_their_rows() -> None:
    a, b, c = STRUCTURES[:3]
    repeats = Repeats.of([a, b, a, c, b, a])
    assert (repeats.first.tolist(), repeats.counts.tolist()) == ([0, 1, 3], [3, 2, 1])
    part, rows = repeats.part(np.array([0, 2]))
    assert (part.first.tolist(), part.counts.tolist(), rows.tolist()) == ([0, 3], [3, 1], [0, 2, 3, 5])
    assert part.means(np.array([1.0, 2.0, 7.0, 6.0])).tolist() == [3.0, 7.0]


def test_names() -> None:
    left, right = names_of(STRUCTURES[:2]), names_of([STRUCTURES[1], STRUCTURES[2]])
    assert same(left, right).tolist() == [[False, False], [True, False]]
