"""The laws that every predictor keeps."""

from __future__ import annotations

import copy
import inspect
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from nnstruct.errors import InvalidInputError, NnstructError, NotFittedError
from nnstruct.predictors import PREDICTORS, Predictor, load_predictor
from nnstruct.structure import Structure
from nnstruct.testing.laws import (
    Suite,
    close,
    global_state,
    hold,
    other_global_state,
    refused,
    registered_once,
)
from nnstruct.testing.predictor_case import COUNT, WRONG_INPUT, WRONG_WEIGHTS, PredictorCase
from nnstruct.testing.trained_weights import structures_are_read, weights_are_read

_SUITE: Suite[PredictorCase] = Suite()


def check_predictor(
    predictor: str | type[Predictor] | Predictor,
    *,
    tolerance: float = 1e-9,
    constant_tolerance: float = 1e-6,
) -> None:
    """Hold a registered predictor to every law of predictors.

    It is fitted some 40 times to 40 small structures or fewer.

    Parameters
    ----------
    predictor : str, type or Predictor
        A name in ``PREDICTORS``, a registered class, or a predictor of one with parameters that make
        its fits short.
    tolerance : float
        How far a prediction may move when units are relabelled or structures come one at a time:
        more than the default for arithmetic in float32, say 1e-5.
    constant_tolerance : float
        How far a prediction may lie from a label that is the same for all structures: more than the
        default where learning only comes near to it.

    Raises
    ------
    AssertionError
        At the first law that is broken; its sentence says which and what was found.

    Examples
    --------
    >>> from nnstruct.testing import check_predictor
    >>> check_predictor("mean")
    """
    _SUITE.run(PredictorCase(predictor, tolerance=tolerance, constant_tolerance=constant_tolerance))


def predictor_checks() -> list[tuple[str, Callable[[PredictorCase], None]]]:
    """Name and function of each law of predictors, for a test that runs one a case.

    Returns
    -------
    list of (name, check)
        A check takes a :class:`PredictorCase`, and raises an AssertionError where the law is broken.

    Examples
    --------
    >>> from nnstruct.testing import PredictorCase, predictor_checks
    >>> name, check = predictor_checks()[0]
    >>> name
    'it_is_registered_under_its_name'
    >>> check(PredictorCase("mean"))
    """
    return _SUITE.checks()


@_SUITE.law
def it_is_registered_under_its_name(case: PredictorCase) -> None:
    """The class is a Predictor, and registered in PREDICTORS under its own name."""
    hold(issubclass(case.kind, Predictor), case.label, "be a subclass of Predictor")
    registered_once(PREDICTORS, case.kind, case.kind.name, case.label)


@_SUITE.law
def the_docstring_lists_every_parameter(case: PredictorCase) -> None:
    """Each parameter of the constructor stands in the class's docstring."""
    listed = str(case.kind.__doc__)
    missing = [name for name in inspect.signature(case.kind).parameters if f"{name} :" not in listed]
    hold(not missing, case.label, "list every parameter in its docstring", f"none for {', '.join(missing)}")


@_SUITE.law
def the_constructor_only_stores(case: PredictorCase) -> None:
    """The constructor keeps whatever it is given as it is, and get_params gives it back."""
    names = inspect.signature(case.kind).parameters
    hold("random_state" in names, case.label, "take random_state in its constructor", ", ".join(names))
    for name in names:
        marker, rule = object(), f"only store {name} in its constructor"
        try:
            predictor = case.kind(**{name: marker})
        except Exception as error:
            raise AssertionError(f"{case.label} must {rule}, got {error!r}.") from error
        hold(getattr(predictor, name, None) is marker, case.label, rule, repr(getattr(predictor, name, None)))
        hold(predictor.get_params(deep=False)[name] is marker, case.label, f"give {name} by get_params")


@_SUITE.law
def clone_and_set_params_keep_parameters_and_forget_what_was_learned(case: PredictorCase) -> None:
    """A clone has the parameters and is not fitted."""
    copy = clone(case.fitted)
    hold(copy.get_params() == case.fitted.get_params(), case.label, "keep its parameters when cloned")
    refused(lambda: copy.predict(case.unseen), case.label, "predict on a clone", NotFittedError, "Call fit")
    changed = copy.set_params(random_state=5).random_state
    hold(changed == 5, case.label, "take random_state by set_params", repr(changed))


@_SUITE.law
def fit_returns_itself_and_predictions_are_finite_vectors(case: PredictorCase) -> None:
    """Predictions are finite float64 [n], deviations positive, the same with and without them."""
    fresh = case.make()
    hold(fresh.fit(case.structures, case.labels) is fresh, case.label, "return itself from fit")
    mean, std = case.fitted.predict(case.unseen, return_std=True)
    for values, what in ((mean, "mean"), (std, "standard deviation")):
        hold(isinstance(values, np.ndarray), case.label, f"predict a {what} as an array", repr(values))
        rule = f"predict a {what} of shape [n] in float64"
        right = values.shape == (len(case.unseen),) and values.dtype == np.float64
        hold(right, case.label, rule, f"{values.dtype} {list(values.shape)}")
        hold(np.isfinite(values).all(), case.label, f"predict a finite {what}", str(values))
    hold((std > 0).all(), case.label, "predict a positive standard deviation", str(std.min()))
    close(case.predict(case.unseen), mean, case.label, "predict the same with and without return_std", 1e-12)
    seen = case.fitted.num_structures_
    hold(seen == COUNT, case.label, f"keep the number of structures it saw, {COUNT}", str(seen))


@_SUITE.law
def predict_before_fit_raises_the_packages_own_error(case: PredictorCase) -> None:
    """NotFittedError before fit."""
    refused(
        lambda: case.make().predict(case.unseen),
        case.label, "predict before fit", NotFittedError, "has not been fitted",
    )  # fmt: skip


@_SUITE.law
def relabelling_the_units_leaves_the_prediction(case: PredictorCase) -> None:
    """Predictions and deviations do not hang on the order of the units."""
    rng = np.random.default_rng(0)
    relabelled = [s.relabel(rng.permutation(s.num_units)) for s in case.unseen]
    before = case.fitted.predict(case.unseen, return_std=True)
    after = case.fitted.predict(relabelled, return_std=True)
    for theirs, ours, what in zip(after, before, ("mean", "standard deviation"), strict=True):
        rule = f"predict the same {what} when the units are relabelled"
        close(theirs, ours, case.label, rule, case.tolerance)


@_SUITE.law
def the_seed_decides_and_the_global_random_state_does_not(case: PredictorCase) -> None:
    """The same random_state gives the same predictions, and no global state is touched."""
    expected = case.predict(case.unseen)
    with other_global_state(3), torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        before, of_torch, threads = global_state(), torch.get_rng_state(), torch.get_num_threads()
        again = case.make().fit(case.structures, case.labels).predict(case.unseen)
        same = global_state() == before, torch.equal(torch.get_rng_state(), of_torch)
    rule = "predict exactly the same for the same random_state, whatever the global random state"
    close(np.asarray(again), expected, case.label, rule, 0.0)
    rule = "leave the global random state of {} as it is"
    hold(same[0], case.label, rule.format("Python and numpy"))
    hold(same[1], case.label, rule.format("torch"))
    now = torch.get_num_threads()
    hold(now == threads, case.label, "leave torch's number of threads as it is", f"{now}, not {threads}")


@_SUITE.law
def a_batch_of_one_equals_a_batch_of_many(case: PredictorCase) -> None:
    """A structure's prediction does not hang on what is predicted beside it."""
    alone = np.concatenate([case.predict([structure]) for structure in case.unseen])
    rule = "predict the same for a structure alone as among others"
    close(alone, case.predict(case.unseen), case.label, rule, case.tolerance)


@_SUITE.law
def no_structure_gives_no_prediction(case: PredictorCase) -> None:
    """An empty list gives empty vectors."""
    mean, std = case.fitted.predict([], return_std=True)
    shapes = f"{list(mean.shape)} and {list(std.shape)}"
    hold(mean.shape == std.shape == (0,), case.label, "predict empty vectors for no structure", shapes)


@_SUITE.law
def networks_stand_for_their_structures_unless_their_weights_are_read(case: PredictorCase) -> None:
    """Weights count, or a warning says that they do not and the structure is predicted as it is."""
    (weights_are_read if case.make().reads_weights else structures_are_read)(case)


@_SUITE.law
def fit_names_what_is_wrong_with_its_input(case: PredictorCase) -> None:
    """Structures and labels that break a rule are refused by name."""
    for given, (change, says) in WRONG_INPUT.items():
        structures, labels = change(case.structures, case.labels)
        refused(partial(case.make().fit, structures, labels), case.label, given, InvalidInputError, says)


@_SUITE.law
def fit_names_what_is_wrong_with_the_weights(case: PredictorCase) -> None:
    """Weights that break a rule are refused by name."""
    for given, (change, says) in WRONG_WEIGHTS.items():
        weights = change(COUNT)
        refused(
            partial(case.make().fit, case.structures, case.labels, sample_weight=weights),
            case.label, given, InvalidInputError, says,
        )  # fmt: skip


@_SUITE.law
def predict_refuses_a_single_structure(case: PredictorCase) -> None:
    """The error says to wrap it in a list."""
    refused(
        lambda: case.fitted.predict(case.unseen[0]),  # type: ignore[arg-type]
        case.label, "a single structure in predict", InvalidInputError, "Wrap a single one in a list",
    )  # fmt: skip


@_SUITE.law
def random_state_must_be_a_non_negative_integer(case: PredictorCase) -> None:
    """Other seeds are refused in fit."""
    for seed in (-1, 0.5, None, True):
        refused(
            partial(case.make(random_state=seed).fit, case.structures, case.labels),
            case.label, f"random_state={seed!r} in fit", InvalidInputError,
            r"^random_state must be a non-negative integer",
        )  # fmt: skip


@_SUITE.law
def bad_parameters_are_refused_in_fit_by_name(case: PredictorCase) -> None:
    """A number that may not be -1 is refused, and the error begins with the parameter."""
    defaults = case.kind().get_params()
    numbers = [name for name, value in defaults.items() if type(value) in (int, float)]
    for name in numbers:
        if name != "random_state":
            refused(
                partial(case.make(**{name: -1}).fit, case.structures, case.labels),
                case.label, f"{name}=-1 in fit", NnstructError, rf"^{name} must ",
            )  # fmt: skip


@_SUITE.law
def series_arrays_and_tuples_are_taken_like_lists(case: PredictorCase) -> None:
    """Structures may come in an object array or a tuple, labels in a Series with any index."""
    boxed: Any = np.empty(len(case.structures), dtype=object)
    boxed[:] = case.structures
    series: Any = pd.Series(case.labels, index=range(100, 100 + COUNT))
    other = case.make().fit(boxed, series)
    found = np.asarray(other.predict(tuple(case.unseen)))
    close(found, case.predict(case.unseen), case.label, "take arrays, Series and tuples like lists", 0.0)


@_SUITE.law
def a_constant_label_is_predicted_everywhere(case: PredictorCase) -> None:
    """Labels that are all one number give that number, and finite deviations."""
    same = case.make().fit(case.structures, np.full(COUNT, 0.75))
    mean, std = same.predict(case.unseen, return_std=True)
    close(mean, 0.75, case.label, "predict a constant label, 0.75", case.constant_tolerance)
    hold(np.isfinite(std).all(), case.label, "have finite deviations for a constant label", str(std))


@_SUITE.law
def copies_of_a_single_structure_give_the_mean_of_their_labels(case: PredictorCase) -> None:
    """Contradicting labels of one structure give their mean, and a deviation of their size."""
    copies = [Structure.from_layers([2, 3, 1])] * 12
    mean, std = case.make().fit(copies, [0.4, 0.6] * 6).predict(copies[:1], return_std=True)
    close(mean, 0.5, case.label, "predict the mean of labels that contradict each other, 0.5", 0.1)
    rule = "have a deviation in (0.02, 0.5) for labels 0.4 and 0.6 of one structure"
    hold(0.02 < std[0] < 0.5, case.label, rule, str(std[0]))


@_SUITE.law
def weights_decide_between_contradicting_labels(case: PredictorCase) -> None:
    """A label with 100 times the weight draws the prediction to itself."""
    copies = [Structure.from_layers([2, 3, 1]), Structure.from_layers([2, 4, 1])] * 12
    y, weight = np.tile([0.0, 0.0, 1.0, 1.0], 6), np.tile([100.0, 100.0, 1.0, 1.0], 6)
    low = case.make().fit(copies, y, sample_weight=weight).predict(copies[:1])[0]
    high = case.make().fit(copies, y, sample_weight=weight[::-1]).predict(copies[:1])[0]
    rule = "follow the weights of labels that contradict each other"
    hold(low < 0.25 and high > 0.75, case.label, rule, f"{low:.3g} for 0 and {high:.3g} for 1")


@_SUITE.law
def noisy_labels_count_less_than_exact_ones(case: PredictorCase) -> None:
    """Of labels that contradict each other, the one with the small deviation draws the prediction."""
    copies = [Structure.from_layers([2, 3, 1]), Structure.from_layers([2, 4, 1])] * 12
    y, noise = np.tile([0.0, 0.0, 1.0, 1.0], 6), np.tile([0.02, 0.02, 3.0, 3.0], 6)
    low = case.make().fit(copies, y, y_std=noise).predict(copies[:1])[0]
    high = case.make().fit(copies, y, y_std=noise[::-1]).predict(copies[:1])[0]
    rule = "follow, of labels that contradict each other, those with little noise"
    hold(low < 0.25 and high > 0.75, case.label, rule, f"{low:.3g} for 0 and {high:.3g} for 1")


@_SUITE.law
def scikit_learn_tools_take_lists_of_structures(case: PredictorCase) -> None:
    """Cross-validation and pipelines work on lists of structures."""
    result = cross_val_score(case.make(), case.structures, case.labels, cv=2)
    fine = result.shape == (2,) and np.isfinite(result).all()
    hold(fine, case.label, "have finite scores in cross_val_score", str(result))
    pipeline = make_pipeline(case.make()).fit(case.structures, case.labels)
    whole, last = (part.score(case.structures, case.labels) for part in (pipeline, pipeline[-1]))
    close(np.array(whole), last, case.label, "score the same inside a pipeline", 1e-12)


@_SUITE.law
def wider_labels_give_wider_uncertainty(case: PredictorCase) -> None:
    """Ten times the labels have ten times the deviation, within a fifth."""
    wide = case.make().fit(case.structures, 10 * case.labels).predict(case.unseen, return_std=True)[1]
    narrow = case.fitted.predict(case.unseen, return_std=True)[1]
    ratio = float(np.median(wide / narrow))
    rule = "have about 10 times the deviation for 10 times the labels"
    hold(abs(ratio - 10) <= 2, case.label, rule, f"{ratio:.3g} times")


@_SUITE.law
def intervals_hold_the_prediction_and_grow_with_the_coverage(case: PredictorCase) -> None:
    """A prediction lies in its interval, and an interval of less coverage in one of more."""
    mean = case.predict(case.unseen)
    low, high = case.fitted.predict_interval(case.unseen)
    within = (low <= mean + 1e-9) & (mean <= high + 1e-9)
    hold(within.all(), case.label, "predict within its intervals", f"{low}, {mean}, {high}")
    narrow_low, narrow_high = case.fitted.predict_interval(case.unseen, coverage=0.5)
    nested = (low <= narrow_low) & (narrow_high <= high)
    hold(nested.all(), case.label, "have wider intervals for more coverage", f"{narrow_low}, {low}")


@_SUITE.law
def bounds_hold_predictions_and_intervals(case: PredictorCase) -> None:
    """Nothing leaves the bounds, before and after saving, and the other predictions stay."""
    free = case.predict(case.unseen)
    low, high = (float(q) for q in np.quantile(free, [0.25, 0.75]))
    bounded = copy.copy(case.fitted)
    if low == high:
        low, high = low - 1.0, high
    bounded.set_bounds(low, high)
    rule = "clip its predictions at its bounds"
    close(np.asarray(bounded.predict(case.unseen)), np.clip(free, low, high), case.label, rule, 1e-12)
    for ends in bounded.predict_interval(case.unseen):
        inside = ((low <= ends) & (ends <= high)).all()
        hold(inside, case.label, f"keep its intervals within {low} and {high}", str(ends))
    with tempfile.TemporaryDirectory() as folder:
        again = load_predictor(bounded.save(Path(folder) / "p"))
    hold(again.bounds_ == (low, high), case.label, "keep its bounds when saved", str(again.bounds_))


@_SUITE.law
def a_saved_predictor_predicts_as_before(case: PredictorCase) -> None:
    """What _get_state gives is all that _set_state needs, without pickle."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_predictor(case.fitted.save(Path(folder) / "saved"))
    same = type(loaded) is case.kind and loaded.get_params() == case.fitted.get_params()
    hold(same, case.label, "keep its class and parameters when saved and loaded", repr(loaded))
    before = case.fitted.predict(case.unseen, return_std=True)
    after = loaded.predict(case.unseen, return_std=True)
    for theirs, ours in zip(after, before, strict=True):
        close(theirs, ours, case.label, "predict as before when saved and loaded", case.tolerance)
