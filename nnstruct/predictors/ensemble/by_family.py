"""Labels of several families: a model for each, and what these say together of a family without labels.

What makes a good structure differs from cell to cell, and so do level and spread of the labels. So a family
with many labels is learned by itself. Of a family without labels each model says how many deviations a
structure lies above the median of its own labels; with the mean z of these,

    label = median over families (median of the labels) + median over families (their deviation) * z.

A recurrent network is asked about as if it had the model's cells. About networks of another kind no column of
a graph tells much: with a task, a forest is asked that sees only what untrained networks show on it
(:class:`nnstruct.predictors.ensemble.measures_forest.MeasuresForest`).

The order is what such a prediction is good for: level and spread of another family are a guess. The deviation
given with it is the root of the mean squared error that the same guess makes for each of the known families,
the others being asked.

On the four cells of ``datasets/reber-rnn`` (1,000 structures each), every cell left out in turn, tau is .749
for tanh, .696 for relu, .716 for GRU and .703 for LSTM, that of one forest on all labels .679, .673, .677 and
.679; R2 is .32, .05, .52 and .67, that of the forest -7.1, -.13, .42 and .53. Of some ways to guess level and
spread (means, means by weight, the median of what models say) medians did best over these four.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from nnstruct.predictors.base import FittedState, Predictor
from nnstruct.predictors.ensemble.measures_forest import MeasuresForest
from nnstruct.predictors.ensemble.parts import arrays_below, arrays_under
from nnstruct.predictors.fitted_range import no_range_warnings
from nnstruct.random import derive_seed
from nnstruct.structure import Structure
from nnstruct.structure.families import RNN_FAMILIES

# Labels from which a family is learned by itself. R2 on reber-rnn so and in one table: with 800 a cell .904
# and .892 (one fold), with 200 .862 and .855, with 100 .814 and .817 (three draws).
FEWEST_LABELS = 200


class ByFamily:
    """The models of families with many labels.

    Parameters
    ----------
    models : dict of str to Predictor
        Fitted, by family; at least 2.
    medians, spreads : dict of str to float
        Of each family's labels.
    elsewhere : dict of str to MeasuresForest
        What is asked about networks of another kind; empty without a task.
    deviation : float
        Of the labels of a family that none of them knows from what is said of them.
    """

    def __init__(
        self,
        models: Mapping[str, Predictor],
        medians: Mapping[str, float],
        spreads: Mapping[str, float],
        elsewhere: Mapping[str, MeasuresForest],
        deviation: float,
    ) -> None:
        self.models, self.medians, self.spreads = dict(models), dict(medians), dict(spreads)
        self.elsewhere, self.deviation = dict(elsewhere), deviation

    @staticmethod
    def families(structures: Sequence[Structure]) -> list[str]:
        """The families that are learned by themselves.

        Parameters
        ----------
        structures : sequence of Structure
            Those with a label.

        Returns
        -------
        list of str
            In order; empty where there are fewer than two.
        """
        counts = Counter(structure.family for structure in structures)
        found = sorted(family for family, count in counts.items() if count >= FEWEST_LABELS)
        return found if len(found) > 1 else []

    @classmethod
    def fit(
        cls,
        parent: Predictor,
        structures: Sequence[Structure],
        y: np.ndarray,
        weight: np.ndarray | None,
        y_std: np.ndarray | None,
        unlabelled: Sequence[Structure] | None,
    ) -> Self | None:
        """Learn from each family with many labels.

        Parameters
        ----------
        parent : Predictor
            Whose class and parameters the models have.
        structures : sequence of Structure, length n
        y : float64 [n]
        weight, y_std : float64 [n], optional
        unlabelled : sequence of Structure, optional

        Returns
        -------
        ByFamily or None
            None where fewer than two families have :data:`FEWEST_LABELS` labels.
        """
        names = cls.families(structures)
        if not names:
            return None
        at = {name: np.flatnonzero([s.family == name for s in structures]) for name in names}
        models, medians, spreads, elsewhere = {}, {}, {}, {}
        for name, rows in at.items():
            near = [s for s in unlabelled or () if s.family == name] or None
            models[name] = type(parent)(**parent.get_params(deep=False)).fit(
                [structures[i] for i in rows.tolist()],
                y[rows],
                None if weight is None else weight[rows],
                y_std=None if y_std is None else y_std[rows],
                unlabelled=near,
            )
            medians[name], spreads[name] = float(np.median(y[rows])), float(y[rows].std())
            columns = getattr(models[name], "task_columns_", None)
            if columns is not None:
                forest = MeasuresForest(columns, derive_seed(parent.random_state, "elsewhere", name))
                elsewhere[name] = forest.fit([structures[i] for i in rows.tolist()], y[rows])
        found = cls(models, medians, spreads, elsewhere, 0.0)
        errors = []
        for name, rows in at.items():
            others = [other for other in names if other != name]
            said = found.unseen([structures[i] for i in rows.tolist()], others)
            errors.append(((said - y[rows]) ** 2).mean())
        found.deviation = float(np.sqrt(np.mean(errors)))
        return found

    def unseen(self, structures: Sequence[Structure], asked: Sequence[str] | None = None) -> np.ndarray:
        """What is said of structures whose family no model knows.

        Parameters
        ----------
        structures : sequence of Structure, length m
        asked : sequence of str, optional
            The families whose models are asked; all by default.

        Returns
        -------
        float64 [m]
        """
        names = list(self.models if asked is None else asked)
        with no_range_warnings():
            said = [self._asked(name, structures) for name in names]
        told = [mean - self.medians[name] for name, mean in zip(names, said, strict=True)]
        z = [one / (self.spreads[name] or 1.0) for name, one in zip(names, told, strict=True)]
        level, spread = (np.median([of[name] for name in names]) for of in (self.medians, self.spreads))
        return level + spread * np.mean(z, axis=0)

    def _asked(self, name: str, structures: Sequence[Structure]) -> np.ndarray:
        """What one family's model says of other families, float64 [m]."""
        alike = np.array([name in RNN_FAMILIES and one.family in RNN_FAMILIES for one in structures])
        said = np.empty(len(structures))
        for rows, model in (
            (np.flatnonzero(alike), self.models[name]),
            (np.flatnonzero(~alike), self.elsewhere.get(name, self.models[name])),
        ):
            if len(rows):
                some = [structures[i] for i in rows.tolist()]
                if alike[rows[0]]:
                    some = [replace(one, family=name) for one in some]
                said[rows] = model.predict(some)
        return said

    def predict(
        self, structures: Sequence[Structure], known: set[str], return_std: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is said of the structures that are not left to the model of all labels together.

        Parameters
        ----------
        structures : sequence of Structure, length m
        known : set of str
            Families of the structures with a label.
        return_std : bool

        Returns
        -------
        mean, std : float64 [m]
            NaN of those that are left; ``std`` of all, unless it is asked for.
        left : bool [m]
            Those of a known family without a model.
        """
        mean, std = np.full((2, len(structures)), np.nan)
        families = np.array([structure.family for structure in structures])
        for name in dict.fromkeys(families.tolist()):
            rows = np.flatnonzero(families == name)
            some = [structures[i] for i in rows.tolist()]
            if name in self.models:
                told = self.models[name].predict(some, return_std=return_std)
                mean[rows], std[rows] = told if return_std else (told, np.nan)
            elif name not in known:
                mean[rows], std[rows] = self.unseen(some), self.deviation
        return mean, std, np.isin(families, [name for name in known if name not in self.models])

    def shares(self, attribute: str) -> dict[str, float]:
        """The mean over families, weighted by their labels, of what each model says of its members.

        Parameters
        ----------
        attribute : {"weights_", "scores_"}

        Returns
        -------
        dict of str to float
            0 counts for a family without the member among weights; it is left out among scores.
        """
        names = dict.fromkeys(
            member for model in self.models.values() for member in getattr(model, attribute)
        )
        found = {}
        for member in names:
            told = [(m.num_structures_, getattr(m, attribute).get(member)) for m in self.models.values()]
            if attribute == "scores_":
                told = [(count, value) for count, value in told if value is not None and np.isfinite(value)]
            counts = np.array([count for count, _ in told], dtype=np.float64)
            values = np.array([value or 0.0 for _, value in told])
            found[member] = float(counts @ values / counts.sum()) if len(told) else float("nan")
        return found

    def state(self) -> FittedState:
        """What :meth:`from_state` needs.

        Returns
        -------
        FittedState
            Its estimator is a list of tables, in the order of ``names``.
        """
        states = {name: model._get_state() for name, model in self.models.items()}
        values: dict[str, Any] = {
            "names": list(states),
            "medians": self.medians,
            "spreads": self.spreads,
            "deviation": self.deviation,
            "elsewhere": sorted(self.elsewhere),
            "models": {name: dict(state.values) for name, state in states.items()},
            "counts": {name: model.num_structures_ for name, model in self.models.items()},
            "digests": {name: model.training_digest_ for name, model in self.models.items()},
        }
        arrays: dict[str, np.ndarray] = {}
        for name, state in states.items():
            arrays |= arrays_under(state.arrays, name)
        for name, forest in self.elsewhere.items():
            arrays |= arrays_under(forest.arrays(), f"elsewhere.{name}")
        return FittedState(values, arrays, [state.estimator for state in states.values()])

    @classmethod
    def from_state(cls, parent: Predictor, state: FittedState) -> Self:
        """The models that :meth:`state` told of.

        Parameters
        ----------
        parent : Predictor
            Whose class and parameters the models have.
        state : FittedState

        Returns
        -------
        ByFamily

        Raises
        ------
        ValueError, KeyError
            If they are not whole.
        """
        values, models = state.values, {}
        for name, table in zip(values["names"], state.estimator, strict=True):
            models[name] = model = type(parent)(**parent.get_params(deep=False))
            arrays = arrays_below(state.arrays, name)
            model._set_state(FittedState(values["models"][name], arrays, table))
            model.num_structures_ = int(values["counts"][name])
            model.training_digest_ = str(values["digests"][name])
        medians, spreads = (
            {str(n): float(v) for n, v in values[key].items()} for key in ("medians", "spreads")
        )
        elsewhere = {}
        for name in values["elsewhere"]:
            columns = getattr(models[name], "task_columns_", None)
            if columns is None:
                raise ValueError("forests on measures of a task that is not named")
            forest = MeasuresForest(columns, 0)
            elsewhere[name] = forest.restore(arrays_below(state.arrays, f"elsewhere.{name}"))
        return cls(models, medians, spreads, elsewhere, float(values["deviation"]))
