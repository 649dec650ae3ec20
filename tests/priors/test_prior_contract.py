"""Every registered prior keeps the laws of priors; a new one is covered by being registered."""

from __future__ import annotations

import pytest
from parts import defined_parts

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.priors import PRIORS, Prior, load_prior
from nnstruct.testing import prior_checks

LAWS = dict(prior_checks())


@pytest.mark.parametrize("name", list(PRIORS))
@pytest.mark.parametrize("law", LAWS)
def test_it_keeps_the_law(name, law):
    LAWS[law](PRIORS[name])


def test_every_prior_is_registered():
    assert {PRIORS[name] for name in PRIORS} == set(defined_parts(Prior))
    assert len(PRIORS) >= 16


@pytest.mark.parametrize("name", list(PRIORS))
def test_three_units_are_enough(name):
    assert PRIORS[name].min_units <= 3


def test_an_unknown_name_is_an_error_that_names_what_is_near():
    with pytest.raises(UnknownNameError, match=r"prior must be one of .*Did you mean 'erdos-renyi'\?"):
        load_prior("erdos-reny", units=5, p=0.5)
    with pytest.raises(UnknownNameError, match="got 'grid'"):
        Prior.from_dict({"prior": "grid", "parameters": {}})


def test_data_of_another_kind_is_an_error():
    with pytest.raises(InvalidInputError, match="a prior's data must hold 'prior' and 'parameters'"):
        Prior.from_dict({"kind": "networkx"})
    with pytest.raises(InvalidInputError, match="a prior's data must hold"):
        Prior.from_dict({"prior": "erdos-renyi", "parameters": {"units": 5, "p": 0.5}, "version": 2})
