"""Laws for parts of one's own: what every prior, predictor, pruner, operator and task keeps.

A part that is registered is held to its laws by one call, without a test runner; its AssertionError is one
sentence that says which law is broken. In pytest, one case for each law:

>>> import pytest
>>> from nnstruct.priors import PRIORS
>>> from nnstruct.testing import prior_checks
>>> LAWS = dict(prior_checks())
>>> @pytest.mark.parametrize("law", LAWS)
... def test_my_prior(law):
...     LAWS[law](PRIORS["erdos-renyi"])
"""

from nnstruct.testing.operators import check_operator, operator_checks
from nnstruct.testing.predictor_case import PredictorCase
from nnstruct.testing.predictors import check_predictor, predictor_checks
from nnstruct.testing.priors import check_prior, prior_checks
from nnstruct.testing.pruners import (
    PruningCase,
    check_pruner,
    pruner_checks,
    pruning_checks,
    pruning_networks,
)
from nnstruct.testing.tasks import TaskCase, check_task, task_checks

__all__ = [
    "PredictorCase",
    "PruningCase",
    "TaskCase",
    "check_operator",
    "check_predictor",
    "check_prior",
    "check_pruner",
    "check_task",
    "operator_checks",
    "predictor_checks",
    "prior_checks",
    "pruner_checks",
    "pruning_checks",
    "pruning_networks",
    "task_checks",
]
