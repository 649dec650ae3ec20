"""The history of a search that lies in a storage, without the search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.search.history import history_table
from nnstruct.search.ledger import TOLD_NAME, entry_of
from nnstruct.search.objectives import OF_TASK, SIMPLE, Objectives

if TYPE_CHECKING:
    import optuna
    import pandas as pd

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
    import optuna

    address = str(storage)
    if "://" not in address:
        file = Path(storage) / STUDY if Path(storage).is_dir() else Path(storage)
        if not file.exists():
            raise MissingDataError(f"There is no {file}.")
        address = f"sqlite:///{file}"
    names = optuna.get_all_study_names(address)
    if study_name is None and len(names) != 1:
        raise InvalidInputError(
            "the storage", "hold one study, or one that is named", ", ".join(names) or "none"
        )
    study = optuna.load_study(study_name=study_name or names[0], storage=address)
    told = _told(study)
    trials = [trial for trial in study.get_trials(deepcopy=False) if "structure" in trial.user_attrs]
    return history_table([entry_of(trial, told) for trial in trials], {}, {}, Objectives())


def _told(study: optuna.Study) -> int:
    """The place of the objective that is told among those of a study."""
    names = study.metric_names or ["score"]
    name = study.user_attrs.get(TOLD_NAME)
    if name in names:
        return names.index(name)
    # A study of an earlier release does not say: it is the first that no structure has by itself.
    known = [place for place, name in enumerate(names) if name not in (*SIMPLE, *OF_TASK)]
    return known[0] if known else 0
