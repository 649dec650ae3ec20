"""Training configurations have stable names; records know their work."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nnstruct.errors import InvalidInputError
from nnstruct.record import STATUS_OK, Record, TrainConfig

configs = st.builds(
    TrainConfig,
    protocol=st.sampled_from(["clean", "faithful"]),
    epochs=st.integers(1, 3),
    batch_size=st.sampled_from([16, 128]),
    learning_rate=st.sampled_from([1e-3, 1e-2]),
    clip_norm=st.sampled_from([1.0, 5.0]),
)


@given(configs, configs)
def test_the_id_tells_configurations_apart(first: TrainConfig, second: TrainConfig) -> None:
    assert (first.id == second.id) == (first == second)
    assert len(first.id) == 12
    assert TrainConfig(**first.model_dump()).id == first.id


def test_the_id_does_not_hang_on_how_a_number_is_written() -> None:
    assert TrainConfig(learning_rate=1, clip_norm=5).id == TrainConfig(learning_rate=1.0, clip_norm=5.0).id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("clip_norm", -1.0),
        ("protocol", "cleen"),
        ("momentum", 1.0),
        ("momentom", 0.9),
    ],
)
def test_bad_configurations_name_the_key(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=field):
        TrainConfig(**{field: value})
    with pytest.raises(ValidationError, match=field):
        TrainConfig.model_validate({field: value})


def test_an_option_that_is_none_is_named_with_the_nearest() -> None:
    with pytest.raises(InvalidInputError) as caught:
        TrainConfig(epoch=3)
    assert str(caught.value).startswith("option of TrainConfig must be one of protocol, epochs, batch_size")
    assert str(caught.value).endswith("got 'epoch'. Did you mean 'epochs'?")
    with pytest.raises(InvalidInputError, match=r"^epochs must be greater than or equal to 1, got 0\.$"):
        TrainConfig(epochs=0)


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().epochs = 3  # type: ignore[misc]


def test_the_key_of_a_record_names_its_work_and_not_its_outcome() -> None:
    def record(**changes: object) -> Record:
        curve = np.zeros(2)
        values: dict = {
            "fingerprint": "f", "family": "gru", "task": "reber", "task_fingerprint": "t", "config_id": "c",
            "seed": 1, "status": STATUS_OK, "train_loss": curve, "val_loss": curve, "val": curve, "test": 0.5,
            "test_loss": 0.7, "parameters": 10, "seconds": 1.0, "engine": "torch",
        }  # fmt: skip
        return Record(**(values | changes))

    assert record().key == ("f", "t", "c", 1)
    same_work = {"test": 0.9, "seconds": 9.0, "engine": "fused", "task": "renamed", "status": "diverged"}
    assert record(**same_work).key == record().key
    for other in ({"fingerprint": "g"}, {"task_fingerprint": "u"}, {"config_id": "d"}, {"seed": 2}):
        assert record(**other).key != record().key
