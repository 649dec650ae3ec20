"""What a search asked and was told, written through to an Optuna study."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import is_number
from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.reading import check_bytes, mapping, one_line, open_file, reading
from nnstruct.search.fit import Fit, count_of
from nnstruct.search.objectives import Objectives
from nnstruct.search.structure_json import structure_from_json, structure_to_json
from nnstruct.search.study import open_study, quiet, study_file, trials_of
from nnstruct.search.traits import TOLD, Traits
from nnstruct.search.writer import StudyWriter
from nnstruct.structure import Structure

if TYPE_CHECKING:
    import optuna

PENDING, COMPLETE, FAILED = "pending", "complete", "failed"
_FORMAT = 1
_SETTINGS, _BATCH, _RETRAINED = "nnstruct_settings", "nnstruct_batch", "nnstruct_retrained"
_TRAITS, TOLD_NAME = "nnstruct_traits", "nnstruct_told"


@dataclass(frozen=True)
class Entry:
    """One measurement of one structure: a trial of the study.

    Attributes
    ----------
    number : int
        Of the trial.
    structure : Structure
    operator : str
        Operators joined by ``+``, ``prior``, ``enqueued``, ``repeated``, or ``told`` for one never asked.
    parents : tuple of str
    generation : int
        Calls of ``ask`` before the one that made it.
    state : {"pending", "complete", "failed"}
    score, prediction, std : float or None
    fidelity : float
        The share of a full training; see :class:`nnstruct.search.Rungs`.
    """

    number: int
    structure: Structure
    operator: str
    parents: tuple[str, ...]
    generation: int
    state: str = PENDING
    score: float | None = None
    prediction: float | None = None
    std: float | None = None
    fidelity: float = 1.0

    @property
    def fingerprint(self) -> str:
        """Of the structure."""
        return self.structure.fingerprint

    def inside(self, space: Any) -> bool:
        """Whether a space contains the structure; remembered for each space.

        Parameters
        ----------
        space : SearchSpace

        Returns
        -------
        bool
        """
        known = self.__dict__.get("_inside")
        if known is None or known[0] is not space:
            known = (space, bool(space.contains(self.structure)))
            self.__dict__["_inside"] = known
        return known[1]

    def attributes(self) -> dict[str, Any]:
        """JSON values for the trial, without those unknown; :func:`entry_of` reads them back."""
        predicted = {"prediction": self.prediction, "std": self.std}
        predicted["fidelity"] = None if self.fidelity == 1 else self.fidelity
        return {
            "fingerprint": self.fingerprint,
            "units": self.structure.num_units,
            "edges": self.structure.forward_edges.shape[1],
            "recurrent_edges": self.structure.recurrent_edges.shape[1],
            "layers": self.structure.num_layers,
            "operator": self.operator,
            "parents": list(self.parents),
            "generation": self.generation,
            "structure": structure_to_json(self.structure),
            **{name: value for name, value in predicted.items() if value is not None},
        }


class Ledger:
    """Entries in memory, and the study that holds the same.

    A batch is written to one study attribute before its trials, so that a process killed between
    two trials leaves a batch that the next one completes.

    Parameters
    ----------
    storage : str, optuna storage or None
    study_name : str
    objectives : Objectives
    settings : mapping
        JSON values that a study can be continued with only if they are the same.
    load_if_exists : bool
    traits : callable
        Called without arguments where the study is new: what trials have as parameters.
    """

    def __init__(
        self,
        storage: Any,
        study_name: str,
        objectives: Objectives,
        settings: Mapping[str, Any],
        load_if_exists: bool,
        traits: Callable[[], Traits],
    ) -> None:
        self.objectives = objectives
        held = study_file(storage)
        self._where = held or Path(study_name)
        self.entries: list[Entry] = []
        self.generation = 0
        self.fit: Fit | None = None
        several = len(objectives) > 1
        told = {"format": _FORMAT, "direction": objectives.directions[objectives.told], **settings}
        told["objectives"] = list(objectives.names) if several else None
        told["directions"] = list(objectives.directions) if several else None
        # What a database elsewhere says of its address is not about a file's content.
        with self._guarded() if held else nullcontext():
            if held and held.exists():
                with open_file(held) as file:
                    check_bytes(held, os.fstat(file.fileno()).st_size, "the file")
            self.study = open_study(storage, study_name, objectives.directions, load_if_exists)
        with self._guarded():
            self._writer = StudyWriter(storage, study_name)
            self._check_settings(told, traits)
            kept = self.study.user_attrs.get(_TRAITS)
            self._traits = None if kept is None else Traits.from_json(kept)
        self.refresh()

    def _guarded(self) -> AbstractContextManager[None]:
        return reading(self._where, "a readable study")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What the database says about a word that it could not take names the file."""
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (StorageInternalError, SQLAlchemyError) as error:
            raise CorruptFileError(f"{self._where} cannot be written: {one_line(error)}.") from error

    def take(self) -> None:
        """Take the right to write, which one process has at a time.

        Raises
        ------
        FolderBusyError
            If another process has it.
        """
        self._writer.take()

    def add_batch(self, entries: Sequence[Entry], fit: Fit | None) -> list[Entry]:
        """Record what is asked next.

        Parameters
        ----------
        entries : sequence of Entry
            Their numbers do not count: those of the trials are given out here.
        fit : Fit or None
            What the guide was fitted on that chose them; None where no guide chose.

        Returns
        -------
        list of Entry
            The same with the numbers of their trials, and whatever else has come into the study.
        """
        candidates = [entry.attributes() for entry in entries]
        batch = {
            "generation": self.generation,
            "fit": None if fit is None else fit.to_json(),
            "candidates": candidates,
        }
        with self._writing():
            self.study.set_user_attr(_BATCH, batch)
            self._add_trials(candidates)
        before = len(self.entries)
        self.refresh()
        return self.entries[before:]

    def finish(self, entry: Entry, score: float) -> None:
        """Record the score of a pending entry.

        Parameters
        ----------
        entry : Entry
        score : float
            One that is not finite marks the trial as failed.
        """
        from optuna.trial import TrialState

        told = replace(entry, state=FAILED)
        with self._writing():
            if np.isfinite(score):
                self.study.tell(entry.number, self.objectives.values(entry.structure, score).tolist())
                told = replace(entry, state=COMPLETE, score=float(score))
            else:
                self.study.tell(entry.number, state=TrialState.FAIL)
        self.entries = [told if other.number == entry.number else other for other in self.entries]

    def insert(self, structure: Structure, score: float, fidelity: float = 1.0) -> None:
        """Record a measurement that no pending trial waits for; :meth:`refresh` makes it an entry.

        Parameters
        ----------
        structure : Structure
        score : float
            One that is not finite marks the trial as failed.
        fidelity : float
        """
        from optuna.trial import TrialState, create_trial

        entry = Entry(-1, structure, TOLD, (), self.generation, fidelity=fidelity)
        known = {"user_attrs": entry.attributes(), **self._parameters(structure, TOLD)}
        with self._writing():
            if np.isfinite(score):
                values = self.objectives.values(structure, score).tolist()
                self.study.add_trial(create_trial(values=values, **known))
            else:
                self.study.add_trial(create_trial(state=TrialState.FAIL, **known))

    @property
    def retrained(self) -> dict[str, float]:
        """Scores of finalists by fingerprint; see :meth:`nnstruct.search.Search.finish`."""
        with self._guarded():
            told = mapping(self.study.user_attrs.get(_RETRAINED, {}), "what finalists scored")
            return {name: float(score) for name, score in told.items()}

    def keep_retrained(self, scores: Mapping[str, float]) -> None:
        """Keep scores of finalists beside the trials.

        Parameters
        ----------
        scores : mapping of str to float
            By fingerprint; those of another call stay.
        """
        kept = {**self.retrained, **scores}
        with self._writing():
            self.study.set_user_attr(_RETRAINED, kept)

    def _parameters(self, structure: Structure, operator: str) -> dict[str, Any]:
        if self._traits is None:  # a study of an earlier release
            return {}
        chosen = self._traits.parameters(structure, operator)
        return {"params": chosen, "distributions": self._traits.distributions()}

    def _check_settings(self, settings: dict[str, Any], traits: Callable[[], Traits]) -> None:
        stored = self.study.user_attrs.get(_SETTINGS)
        if stored is None:
            if len(trials_of(self.study)):
                raise InvalidInputError(
                    "study_name", "name a study made by a Search, or a new one", self.study.study_name
                )
            self.study.set_user_attr(_TRAITS, traits().to_json())
            with quiet():
                self.study.set_metric_names(list(self.objectives.names))
            self.study.set_user_attr(TOLD_NAME, self.objectives.names[self.objectives.told])
            self.study.set_user_attr(_SETTINGS, settings)
            return
        stored = mapping(stored, "its settings")
        for name, value in settings.items():
            if stored.get(name) != value:
                raise InvalidInputError(
                    name,
                    f"be {stored.get(name)!r} as in the stored study {self.study.study_name!r}",
                    value,
                    "Give another study_name to start a new search.",
                )

    def _add_trials(self, candidates: Sequence[Mapping[str, Any]]) -> None:
        from optuna.trial import TrialState, create_trial

        for attributes in candidates:
            structure = structure_from_json(attributes["structure"])
            known = self._parameters(structure, attributes["operator"])
            self.study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=dict(attributes), **known))

    def refresh(self) -> None:
        """Read trials that are not entries yet, and complete a batch that was cut short."""
        with self._guarded():
            self._refresh()

    def _refresh(self) -> None:
        batch = self.study.user_attrs.get(_BATCH)
        trials = trials_of(self.study)
        if batch is not None:
            generation = count_of(mapping(batch, "its last batch")["generation"])
            there = {
                trial.user_attrs["fingerprint"]
                for trial in trials
                if trial.user_attrs.get("generation") == generation
                and trial.user_attrs.get("operator") != TOLD
            }
            missing = [row for row in batch["candidates"] if row["fingerprint"] not in there]
            for row in missing:
                _structure_of(row)  # before it is written among the trials
            if missing:
                self._add_trials(missing)
                trials = trials_of(self.study)
            self.generation = generation + 1
            if batch["fit"] is not None:
                self.fit = Fit.from_json(batch["fit"])
        known = {entry.number for entry in self.entries}
        fresh = [trial for trial in trials if trial.number not in known and "structure" in trial.user_attrs]
        self.entries += [entry_of(trial, self.objectives.told) for trial in fresh]


def entry_of(trial: optuna.trial.FrozenTrial, told: int = 0) -> Entry:
    attributes = trial.user_attrs
    try:
        structure, operator = _structure_of(attributes), str(attributes["operator"])
        operator.encode()  # half a pair of surrogates is no text
    except ValueError as error:
        raise CorruptFileError(f"trial {trial.number}: {one_line(error)}.") from error
    numbers = {name: attributes.get(name) for name in ("prediction", "std", "fidelity")}
    numbers["score"] = trial.values[told] if trial.values else None
    for name, value in numbers.items():
        if not (value is None or is_number(value)):
            raise CorruptFileError(f"trial {trial.number}: its {name} is no number: {value!r}.")
    if not 0 < (fidelity := attributes.get("fidelity", 1.0)) <= 1:
        raise CorruptFileError(f"trial {trial.number}: its fidelity is no share: {fidelity!r}.")
    state = {"COMPLETE": COMPLETE, "RUNNING": PENDING, "WAITING": PENDING}.get(trial.state.name, FAILED)
    return Entry(
        count_of(trial.number),
        structure,
        operator,
        tuple(map(str, attributes["parents"])),
        count_of(attributes["generation"]),
        state,
        trial.values[told] if state == COMPLETE else None,
        attributes.get("prediction"),
        attributes.get("std"),
        float(fidelity),
    )


def _structure_of(attributes: Mapping[str, Any]) -> Structure:
    structure = structure_from_json(mapping(attributes["structure"], "its structure"))
    if structure.fingerprint != attributes["fingerprint"]:
        raise ValueError(f"the fingerprint {attributes['fingerprint']} does not fit its structure")
    return structure
