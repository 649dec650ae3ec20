"""The history of a search that lies in a storage, without the search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.reading import reading
from nnstruct.search.history import history_table
from nnstruct.search.ledger import TOLD_NAME, Entry, entry_of
from nnstruct.search.objectives import OF_TASK, SIMPLE, Objectives
from nnstruct.search.study import SQLITE, trials_of

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from nnstruct.structure import Structure

STUDY = "search.db"


def read_history(storage: str | Path, study_name: str | None = None) -> pd.DataFrame:
    """The trials of a stored search as :attr:`nnstruct.search.Search.history` gives them; nothing is written.

    Parameters
    ----------
    storage : str or Path
        The folder of ``nnstruct search``, the database in it, or the address of another storage of Optuna.
    study_name : str, optional
        Needed where the storage holds several studies.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    MissingDataError
        If there is no such file.
    InvalidInputError
        If the storage holds no study, or several and none is named.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import Search, Space
    >>> from nnstruct.search import read_history
    >>> path = tempfile.mkdtemp() + "/search.db"
    >>> search = Search(Space("mlp", units=(4, 12)), seed=0, storage=f"sqlite:///{path}")
    >>> asked = search.ask(2)
    >>> search.tell(asked, [0.1, 0.3])
    >>> read_history(path)["score"].tolist()
    [0.1, 0.3]
    """
    return history_table(_entries(storage, study_name), {}, {}, Objectives())


def read_structures(storage: str | Path, study_name: str | None = None) -> dict[str, Structure]:
    """The structures of a stored search; nothing is written.

    Parameters
    ----------
    storage : str or Path
        As of :func:`read_history`.
    study_name : str, optional
        Needed where the storage holds several studies.

    Returns
    -------
    dict of str to Structure
        By fingerprint.

    Raises
    ------
    MissingDataError, InvalidInputError
        As :func:`read_history`.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import Search, Space
    >>> from nnstruct.search import read_structures
    >>> path = tempfile.mkdtemp() + "/search.db"
    >>> asked = Search(Space("mlp", units=(4, 12)), seed=0, storage=f"sqlite:///{path}").ask(2)
    >>> sorted(read_structures(path)) == sorted(structure.fingerprint for structure in asked)
    True
    """
    return {entry.fingerprint: entry.structure for entry in _entries(storage, study_name)}


def _entries(storage: str | Path, study_name: str | None) -> list[Entry]:
    import optuna

    address = str(storage)
    if "://" not in address:
        file = Path(storage) / STUDY if Path(storage).is_dir() else Path(storage)
        if not file.exists():
            raise MissingDataError(f"There is no {file}.")
        address = f"{SQLITE}{file}"
    with reading(address.removeprefix(SQLITE), "a readable study"):
        names = optuna.get_all_study_names(address)
    if study_name is None and len(names) != 1:
        raise InvalidInputError(
            "the storage", "hold one study, or one that is named", ", ".join(names) or "none"
        )
    with reading(address.removeprefix(SQLITE), "a readable study"):
        study = optuna.load_study(study_name=study_name or names[0], storage=address)
        told = _told(study)
        trials = [trial for trial in trials_of(study) if "structure" in trial.user_attrs]
        return [entry_of(trial, told) for trial in trials]


def _told(study: optuna.Study) -> int:
    """The place of the objective that is told among those of a study."""
    names = study.metric_names or ["score"]
    name = study.user_attrs.get(TOLD_NAME)
    if name in names:
        return names.index(name)
    # A study of an earlier release does not say: it is the first that no structure has by itself.
    known = [place for place, name in enumerate(names) if name not in (*SIMPLE, *OF_TASK)]
    return known[0] if known else 0
