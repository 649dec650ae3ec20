"""The suite of predictors passes a sound predictor, and says what is wrong with others."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct.predictors import PREDICTORS, FittedState, Mean, Predictor
from nnstruct.testing import check_predictor


class Sound(Mean):
    """As the mean.

    Parameters
    ----------
    random_state : int
    """


class Undocumented(Sound):
    """As the mean."""


class Validating(Sound):
    __doc__ = Sound.__doc__

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = int(random_state)


class Seedless(Sound):
    """As the mean."""

    def __init__(self) -> None:
        pass


class WithoutDeviation(Sound):
    __doc__ = Sound.__doc__

    def _predict(self, structures, return_std):
        return super()._predict(structures, return_std)[0], None


class Forgetful(Sound):
    __doc__ = Sound.__doc__

    def _check_fitted(self) -> None:
        self.mean_, self.std_ = getattr(self, "mean_", 0.0), getattr(self, "std_", 1.0)


class Single(Sound):
    __doc__ = Sound.__doc__

    def _predict(self, structures, return_std):
        return tuple(values.astype(np.float32) for values in super()._predict(structures, return_std))


class TooSure(Sound):
    __doc__ = Sound.__doc__

    def _predict(self, structures, return_std):
        return super()._predict(structures, return_std)[0], np.zeros(len(structures))


class LooksAtNumbers(Sound):
    __doc__ = Sound.__doc__

    def _predict(self, structures, return_std):
        mean, std = super()._predict(structures, return_std)
        return mean + [float(s.edge_index[0, 0]) for s in structures], std


class DrawsGlobally(Sound):
    __doc__ = Sound.__doc__

    def _fit(self, structures, y, weight):
        super()._fit(structures, y, weight)
        self.mean_ += 0.001 * np.random.random()  # noqa: NPY002


class TouchesGlobally(Sound):
    __doc__ = Sound.__doc__

    def _fit(self, structures, y, weight):
        np.random.random()  # noqa: NPY002
        super()._fit(structures, y, weight)


class LooksAside(Sound):
    __doc__ = Sound.__doc__

    def _predict(self, structures, return_std):
        mean, std = super()._predict(structures, return_std)
        return mean + 0.01 * len(structures), std


class TakesAnySeed(Sound):
    __doc__ = Sound.__doc__

    def fit(self, structures, y, sample_weight=None):
        kept, self.random_state = self.random_state, 0
        try:
            return super().fit(structures, y, sample_weight)
        finally:
            self.random_state = kept


class TakesAnyWidth(Sound):
    """As the mean.

    Parameters
    ----------
    width : int
    random_state : int
    """

    def __init__(self, width: int = 3, random_state: int = 0) -> None:
        self.width, self.random_state = width, random_state


class NeverBelowOne(Sound):
    __doc__ = Sound.__doc__

    def _fit(self, structures, y, weight):
        super()._fit(structures, y, weight)
        self.mean_ = max(1.0, self.mean_)


class WeightBlind(Sound):
    __doc__ = Sound.__doc__

    def _fit(self, structures, y, weight):
        super()._fit(structures, y, None)


class ConstantDeviation(Sound):
    __doc__ = Sound.__doc__

    def _predict(self, structures, return_std):
        return super()._predict(structures, return_std)[0], np.full(len(structures), 0.1)


class SavesRounded(Sound):
    __doc__ = Sound.__doc__

    def _get_state(self) -> FittedState:
        return FittedState({"mean": round(self.mean_, 2), "std": self.std_})


def test_a_sound_predictor_passes_by_name_by_class_and_with_parameters(register) -> None:
    Sound.name = "toy"
    register(PREDICTORS, "toy", Sound)
    check_predictor("toy")
    check_predictor(Sound(random_state=3))


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Undocumented, "list every parameter in its docstring, got none for random_state"),
        (Validating, "only store random_state in its constructor, got TypeError"),
        (Seedless, "take random_state in its constructor"),
        (WithoutDeviation, "predict a standard deviation as an array, got None"),
        (Forgetful, "refuse predict on a clone with a NotFittedError"),
        (Single, r"predict a mean of shape \[n\] in float64, got float32"),
        (TooSure, "predict a positive standard deviation, got 0.0"),
        (LooksAtNumbers, "predict the same mean when the units are relabelled, got a difference"),
        (DrawsGlobally, "predict exactly the same for the same random_state, whatever the global"),
        (TouchesGlobally, "leave the global random state of Python and numpy as it is"),
        (LooksAside, "predict the same for a structure alone as among others, got a difference"),
        (TakesAnySeed, "refuse random_state=-1 in fit with a InvalidInputError"),
        (TakesAnyWidth, "refuse width=-1 in fit with a NnstructError that says '.width must '"),
        (NeverBelowOne, "predict a constant label, 0.75, got a difference of 0.25"),
        (WeightBlind, "follow the weights of labels that contradict each other, got 0.5 for 0 and 0.5 for 1"),
        (ConstantDeviation, "have about 10 times the deviation for 10 times the labels, got 1 times"),
        (SavesRounded, "predict as before when saved and loaded, got a difference"),
    ],
)
def test_a_broken_law_is_told(broken: type[Predictor], sentence: str, register) -> None:
    broken.name = "toy"
    register(PREDICTORS, "toy", broken)
    with pytest.raises(AssertionError, match=f"^The predictor 'toy' must {sentence}"):
        check_predictor(broken)


def test_a_tolerance_is_a_choice(register) -> None:
    register(PREDICTORS, "toy", Sound)

    class Near(Sound):
        __doc__ = Sound.__doc__
        name = "near"

        def _fit(self, structures, y, weight):
            super()._fit(structures, y, weight)
            self.mean_ += 1e-3

    register(PREDICTORS, "near", Near)
    with pytest.raises(AssertionError, match=r"predict a constant label, 0\.75"):
        check_predictor(Near)
    check_predictor(Near, constant_tolerance=0.01)


def test_a_predictor_that_is_not_registered_is_told() -> None:
    Sound.name = "toy"
    with pytest.raises(AssertionError, match="'toy' must be registered under its own name"):
        check_predictor(Sound)
