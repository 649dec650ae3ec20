"""Rules by which a training counts as hopeless: Optuna's pruners, fed with learning curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import check_choice
from nnstruct.errors import InvalidInputError
from nnstruct.population.stopping import watched
from nnstruct.record import STATUS_STOPPED, Record, TrainConfig

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

RULES = ("median", "hyperband")


def check_rule(rule: str | BasePruner, config: TrainConfig) -> BasePruner:
    """The pruner of a rule.

    Parameters
    ----------
    rule : {"median", "hyperband"} or optuna.pruners.BasePruner
        ``median``: the best score so far is below the median of the scores that completed trainings had after
        the same epoch, with five trainings and a fifth of the epochs granted to all. ``hyperband``: brackets
        of successive halving (Li et al., 2018, JMLR 18:185).
    config : TrainConfig

    Returns
    -------
    optuna.pruners.BasePruner

    Raises
    ------
    InvalidInputError
        If it is neither.

    Examples
    --------
    >>> from nnstruct import TrainConfig
    >>> type(check_rule("median", TrainConfig())).__name__
    'MedianPruner'
    """
    from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner

    if isinstance(rule, BasePruner):
        return rule
    if not isinstance(rule, str):
        raise InvalidInputError("stop", f"be one of {', '.join(RULES)} or an Optuna pruner", rule)
    if check_choice(rule, "stop", RULES) == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, config.epochs // 5))
    return HyperbandPruner(min_resource=1, max_resource=config.epochs, reduction_factor=3)


class Rule:
    """A rule with the learning curves that it has seen, in their order.

    Parameters
    ----------
    pruner : optuna.pruners.BasePruner
    epochs : int
        Of a whole training; behind the last one nothing is left to be stopped.

    Examples
    --------
    >>> from optuna.pruners import MedianPruner
    >>> rule = Rule(MedianPruner(n_startup_trials=1, n_warmup_steps=0), epochs=3)
    >>> rule.see([0.5, 0.9], complete=True)
    >>> watch = rule.begin()
    >>> watch(1, 0.6), watch(2, 0.7)
    (False, True)
    """

    def __init__(self, pruner: BasePruner, epochs: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name, self.epochs = type(pruner).__name__, epochs
        # The name decides the brackets of Hyperband.
        self._study = optuna.create_study(direction="maximize", pruner=pruner, study_name="trainings")
        self._trial: Any = None

    def begin(self) -> Any:
        """Watch one more training; to be followed by :meth:`end`.

        Returns
        -------
        callable (int, float) -> bool
            As :func:`nnstruct.population.stopping.watched` takes it.
        """
        self._trial = self._study.ask()

        def watch(epoch: int, score: float) -> bool:
            self._trial.report(score, epoch - 1)  # steps are counted from 0
            return bool(self._trial.should_prune()) and epoch < self.epochs

        return watch

    def end(self, score: float | None) -> None:
        """The training that was watched is over.

        Parameters
        ----------
        score : float or None
            After the last epoch; None where it was stopped or diverged.
        """
        from optuna.trial import TrialState

        if score is None or not np.isfinite(score):
            self._study.tell(self._trial, state=TrialState.PRUNED)
        else:
            self._study.tell(self._trial, score)

    def see(self, curve: Iterable[float], *, complete: bool) -> None:
        """Take in a training of earlier, as if it had been watched.

        Parameters
        ----------
        curve : iterable of float
            Validation scores, one an epoch, up to where it ended.
        complete : bool
            Whether it went on to the last epoch.
        """
        watch = self.begin()
        scores = [float(value) for value in curve if np.isfinite(value)]
        for epoch, score in enumerate(scores, start=1):
            watch(epoch, score)
        self.end(scores[-1] if complete and scores else None)


def stopping(rule: Rule, records: Iterator[Record]) -> Iterator[Record]:
    """Records of trainings in this process, one by one, each watched by a rule.

    Parameters
    ----------
    rule : Rule
    records : iterator of Record
        That trains one network each time it is advanced.

    Yields
    ------
    Record
        Of a stopped training with the status ``stopped`` and a reason; its curves end where it did.
    """
    while True:
        with watched(rule.begin()):
            record = next(records, None)
        if record is None:
            rule.end(None)
            return
        rule.end(float(record.val[-1]))
        if record.status == STATUS_STOPPED:
            done = int(np.isfinite(record.val).sum())
            record = replace(record, reason=f"stopped after epoch {done} of {len(record.val)}: {rule.name}")
        yield record
