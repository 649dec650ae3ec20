"""Seeds depend on every key and on nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, derive_seed, generator

keys = st.lists(st.one_of(st.integers(0, 2**63 - 1), st.text("ab1|", max_size=4)), min_size=1, max_size=4)


@given(keys, keys)
def test_seeds_agree_exactly_where_the_keys_do(first: list, second: list) -> None:
    assert (derive_seed(*first) == derive_seed(*second)) == (first == second)
    assert 0 <= derive_seed(*first) < 2**63


def test_a_number_and_its_digits_differ_but_numpy_integers_do_not() -> None:
    assert derive_seed(1) != derive_seed("1")
    assert derive_seed(np.int64(7), "a") == derive_seed(7, "a") == derive_seed(np.uint8(7), "a")


def test_the_same_on_every_machine() -> None:
    assert derive_seed(0, "init") == 2718509303608613306
    assert generator(0, "init").integers(0, 2**62) == 1940212238332759209


def test_no_dependence_on_the_hash_seed_of_the_process() -> None:
    code = "from nnstruct.random import derive_seed; print(derive_seed(3, 'x', 'y'))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": value}, capture_output=True, check=True
        ).stdout
        for value in ("1", "2")
    }
    assert found == {f"{derive_seed(3, 'x', 'y')}\n".encode()}


def test_generators_leave_the_global_state_alone() -> None:
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    generator(0, "a").random(10)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 1.0, None, True, "0", np.float64(2)])
def test_a_bad_seed_is_an_error(seed: object) -> None:
    with pytest.raises(InvalidInputError, match="random_state must be a non-negative integer"):
        check_seed(seed, "random_state")  # type: ignore[arg-type]


def test_a_good_seed_becomes_a_plain_int() -> None:
    assert type(check_seed(np.int64(3))) is int
    assert check_seed(0) == 0
