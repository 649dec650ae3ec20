"""What fit takes beside structures, labels and weights."""

from types import SimpleNamespace

import numpy as np
import pytest

from nnstruct import Structure
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import ExtraTrees, FittedState, Predictor
from nnstruct.predictors.checks import noise_weights

STRUCTURES = [Structure.from_layers([2, width, 1]) for width in range(1, 7)]
LABELS = np.linspace(0.0, 1.0, 6)


class Recorder(Predictor):
    """Keeps what its fit was handed."""

    name = "recorder"
    _takes = frozenset({"y_std", "unlabelled"})

    def _fit(self, structures, y, weight, **extra):
        self.seen_ = SimpleNamespace(structures=structures, weight=weight, **extra)

    def _predict(self, structures, return_std):
        return np.zeros(len(structures)), np.ones(len(structures))

    def _get_state(self):
        return FittedState()

    def _set_state(self, state):
        pass


def test_a_predictor_that_asks_for_them_gets_noise_and_unlabelled_structures():
    fitted = Recorder().fit(STRUCTURES, LABELS, y_std=[0.1] * 6, unlabelled=STRUCTURES[:2])
    assert fitted.seen_.weight is None
    assert fitted.seen_.unlabelled == STRUCTURES[:2]
    np.testing.assert_array_equal(fitted.seen_.y_std, np.full(6, 0.1))


def test_structures_may_come_from_a_generator():
    assert Recorder().fit((s for s in STRUCTURES), LABELS).seen_.structures == STRUCTURES


def test_unlabelled_structures_are_refused_by_a_predictor_that_cannot_use_them():
    with pytest.raises(InvalidInputError, match=r"^unlabelled must be left out for ExtraTrees"):
        ExtraTrees().fit(STRUCTURES, LABELS, unlabelled=STRUCTURES)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([0.1] * 5, "hold one value for each of the 6"),
        ([-0.1] * 6, "be finite and not negative"),
        ([float("nan")] * 6, "be finite"),
    ],
)
def test_deviations_that_break_a_rule_are_refused(given, says):
    with pytest.raises(InvalidInputError, match="^y_std.*" + says):
        ExtraTrees().fit(STRUCTURES, LABELS, y_std=given)


def test_weights_follow_the_noise_of_the_labels():
    y, noise = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.1, 0.1, 0.5, 0.0])
    s2 = y.var() - (noise**2).mean()
    expected = 1.0 / (s2 + noise**2)
    np.testing.assert_allclose(noise_weights(y, noise, None), expected / expected.mean())
    np.testing.assert_allclose(noise_weights(y, noise, np.full(4, 2.0)), 2.0 * expected / expected.mean())


def test_labels_without_noise_and_spread_weigh_the_same():
    np.testing.assert_array_equal(noise_weights(np.ones(3), np.zeros(3), None), np.ones(3))
