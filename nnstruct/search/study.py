"""The Optuna study that a search is written to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnstruct.errors import InvalidInputError

if TYPE_CHECKING:
    import optuna


SQLITE = "sqlite:///"


def study_file(storage: Any) -> Path | None:
    """The SQLite file that a storage is in; None for any other storage.

    Parameters
    ----------
    storage : str, optuna storage or None

    Returns
    -------
    Path or None

    Examples
    --------
    >>> from nnstruct.search.study import study_file
    >>> study_file("sqlite:///search.db").name, study_file("sqlite:///:memory:")
    ('search.db', None)
    """
    if not isinstance(storage, str) or not storage.startswith(SQLITE) or ":memory:" in storage:
        return None
    return Path(storage.removeprefix(SQLITE).split("?")[0])


def trials_of(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that a study holds.

    Parameters
    ----------
    study : optuna.Study

    Returns
    -------
    list of optuna.trial.FrozenTrial
        In the order of their numbers.

    Raises
    ------
    ValueError
        If they do not fit together: of a damaged database Optuna asserts some of what it expects.
    """
    try:
        return study.get_trials(deepcopy=False)
    except AssertionError as error:
        raise ValueError(
            f"its trials do not fit together ({str(error) or 'Optuna gives no reason'})"
        ) from error


def open_study(
    storage: Any, study_name: str, directions: Sequence[str], load_if_exists: bool
) -> optuna.Study:
    """The study of a search, new or continued.

    Parameters
    ----------
    storage : str, optuna storage or None
    study_name : str
    directions : sequence of {"maximize", "minimize"}
    load_if_exists : bool

    Returns
    -------
    optuna.Study

    Raises
    ------
    InvalidInputError
        If the storage is no database URL, or the study is there and must not be.
    """
    import optuna
    from optuna.study import StudyDirection

    if isinstance(storage, str):
        if "://" not in storage:
            raise InvalidInputError(
                "storage", "be a database URL", storage, f"For a file write 'sqlite:///{storage}'."
            )
        file = study_file(storage)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
    with quiet():
        try:
            return optuna.create_study(
                storage=storage,
                study_name=study_name,
                directions=[StudyDirection[direction.upper()] for direction in directions],
                load_if_exists=load_if_exists,
                sampler=optuna.samplers.RandomSampler(),
            )
        except optuna.exceptions.DuplicatedStudyError as error:
            raise InvalidInputError(
                "study_name", "be new in this storage", study_name, "Or pass load_if_exists=True to continue."
            ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's remarks for oneself."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
