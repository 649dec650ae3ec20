"""The predictor that wraps an ensemble of graph neural networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.checks import check_choice, check_integer, check_number, check_room, check_rounds
from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor
from nnstruct.predictors.folds import grouped_folds
from nnstruct.predictors.gnn.members import GraphMembers, MemberSettings, Shell
from nnstruct.predictors.gnn.neighbours import neighbours
from nnstruct.predictors.label_transform import KINDS, LabelTransform
from nnstruct.processes import torch_threads
from nnstruct.random import generator
from nnstruct.structure import Structure

# Weight, in structures, of the belief that predicted variances are right as they are.
_PRIOR_COUNT = 5.0
_DEVICES = ("cpu", "cuda", "auto")


@PREDICTORS.register("gnn")
class GNN(Predictor):
    """An ensemble of graph neural networks that read units, edges and layers themselves.

    Messages run along and against edges, in a feed-forward block with a bidirectional graph convolution
    (Xu et al., 2025, arXiv 2507.00880), on structures without dead units and with edges in the place of
    identities. Members learn together, in one pass; each holds out its own part of the training
    structures. The ensemble's mean is the mean of means, its variance the mean of variances plus the
    variance of means (Lakshminarayanan et al., 2017), where variances are scaled to the errors on the
    parts held out. All of this happens to labels brought near to a normal distribution.

    Parameters
    ----------
    hidden : int
        Width of every layer.
    layers : int
        Rounds of message passing.
    members : int
        Networks in the ensemble.
    layer : {"bidirectional", "gine", "pna", "attention"}
        What a round does; see :mod:`nnstruct.predictors.gnn.layers`.
    loss : {"gaussian", "squared", "pairwise", "listmle"}
        What training makes small; see :mod:`nnstruct.predictors.gnn.losses`. With ``gaussian`` members
        predict a variance for each structure.
    label : {"yeo-johnson", "identity"}
        How labels are transformed; see :class:`nnstruct.predictors.label_transform.LabelTransform`.
    contract : bool
        Whether dead units are left out and identities become edges.
    max_epochs : int, optional
        Passes over the training structures; None for as many as 500 steps take, at least 20.
    batch_size : int
        Graphs.
    learning_rate : float
        At the start; it falls to zero as a half cosine.
    weight_decay : float
    dropout : float
        In [0, 0.9].
    normalise : bool
        Whether what is read out of a graph is normalised over its columns, before the two last layers. On
        240 recurrent structures (reber-mini, one round of five folds, labels neither bent, clipped nor
        weighted) R2 is .655 with it and .605 without; what it does to cells with operators is not known.
    validation : float
        Share of the training structures that each member holds out, in (0, 0.5].
    distil : int
        Structures without a label from which members learn what forests and a Gaussian process say
        (:class:`nnstruct.predictors.Ensemble`'s), before they learn from labels. So many are drawn near the
        training structures (:func:`nnstruct.predictors.gnn.neighbours.neighbours`), unless ``fit`` is given
        ``unlabelled`` ones. 0: from labels alone. Worth its time where labels are few.
    device : {"cpu", "cuda", "auto"}
        Where members are trained; predictions are made on the CPU.
    n_jobs : int
        Processor threads. Results can differ in the last digits between counts.
    progress : bool
        Whether Lightning shows a progress bar.
    callbacks : sequence of lightning.pytorch.Callback
        Called as in any training with Lightning; each step logs ``lessons_loss`` or ``labels_loss``, the
        mean over members. Not saved.
    logger : lightning.pytorch.loggers.Logger, str or Path, optional
        Takes the loss of each step; a folder stands for TensorBoard's files in it, with the package
        ``tensorboard`` or ``tensorboardX``. Not saved.
    random_state : int
        Decides everything random; the global random state is neither read nor changed.

    Attributes
    ----------
    members_ : GraphMembers
    transform_ : LabelTransform
    variance_, variance_scale_ : float
        Variance of members that predict none, and what all variances are multiplied by.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import GNN
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
    >>> model = GNN(hidden=8, layers=2, members=1, max_epochs=2)
    >>> mean, std = model.fit(structures, [s.num_units / 10 for s in structures]).predict(
    ...     structures, return_std=True
    ... )
    >>> mean.shape, bool((std > 0).all())
    ((10,), True)
    """

    name = "gnn"
    _takes = frozenset({"unlabelled"})

    def __init__(
        self,
        hidden: int = 32,
        layers: int = 4,
        members: int = 3,
        layer: str = "bidirectional",
        loss: str = "gaussian",
        label: str = "yeo-johnson",
        contract: bool = True,
        max_epochs: int | None = None,
        batch_size: int = 32,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.01,
        dropout: float = 0.1,
        normalise: bool = False,
        validation: float = 0.15,
        distil: int = 0,
        device: str = "cpu",
        n_jobs: int = 1,
        progress: bool = False,
        callbacks: Sequence[Any] = (),
        logger: Any = None,
        random_state: int = 0,
    ) -> None:
        self.hidden = hidden
        self.layers = layers
        self.members = members
        self.layer = layer
        self.loss = loss
        self.label = label
        self.contract = contract
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.normalise = normalise
        self.validation = validation
        self.distil = distil
        self.device = device
        self.n_jobs = n_jobs
        self.progress = progress
        self.callbacks = callbacks
        self.logger = logger
        self.random_state = random_state

    def _fit(
        self,
        structures: list[Structure],
        y: np.ndarray,
        weight: np.ndarray | None,
        unlabelled: list[Structure] | None = None,
    ) -> None:
        settings, members = self._settings(), check_integer(self.members, "members", each=4_000)
        check_number(self.validation, "validation", low=0.0, high=0.5, open_low=True)
        distil = check_rounds(self.distil, "distil", low=0)
        transform = LabelTransform(check_choice(self.label, "label", KINDS))
        with torch_threads(check_integer(self.n_jobs, "n_jobs")):
            share = np.ones(len(y)) if weight is None else weight / weight.mean()
            if (share == 0).any():
                kept = np.flatnonzero(share > 0)
                structures, y, share = [structures[i] for i in kept], y[kept], share[kept]
            self.transform_ = transform.fit(y)
            target = self.transform_.transform(y)
            held_out = self._held_out(structures, members)  # [members, n]
            chosen = held_out & ~held_out.all(axis=1, keepdims=True)
            weights = np.where(chosen, 0.0, share)
            others, told = self._lessons(structures, y, weights, distil, unlabelled)
            self.members_ = GraphMembers(settings).fit(
                structures,
                target,
                weights,
                others,
                told,
                shell=self._shell(),
                held_out=np.where(chosen, share, 0.0) if chosen.any(axis=1).all() else None,
            )
            mean, variance = self.members_.predict(structures)
            self._calibrate(mean, variance, target, np.where(held_out, share, 0.0))

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        with torch_threads(check_integer(self.n_jobs, "n_jobs")):
            means, variances = self.members_.predict(structures)  # [members, n]
        variances = np.where(np.isnan(variances), self.variance_, variances)
        variance = self.variance_scale_ * variances.mean(axis=0) + means.var(axis=0)
        mean, std = self.transform_.moments(means.mean(axis=0), np.sqrt(variance))
        return mean, std if return_std else None

    def _lessons(
        self,
        structures: list[Structure],
        y: np.ndarray,
        weight: np.ndarray,
        distil: int,
        unlabelled: list[Structure] | None,
    ) -> tuple[list[Structure], np.ndarray | None]:
        others = unlabelled or []
        if unlabelled is None and distil:
            others = neighbours(structures, distil, generator(self._seed("neighbours")))
        if not others:
            return [], None
        from nnstruct.predictors.gnn.teacher import lessons

        said = lessons(structures, y, weight, others, self._seed("teacher"), self.n_jobs)
        return others, self.transform_.transform(said.ravel()).reshape(said.shape)

    def _settings(self) -> MemberSettings:
        from nnstruct.predictors.gnn.layers import LAYERS
        from nnstruct.predictors.gnn.losses import LOSSES

        hidden = check_integer(self.hidden, "hidden")
        check_room(hidden, "hidden", 4 * hidden**2)
        return MemberSettings(
            hidden=hidden,
            layers=check_integer(self.layers, "layers", each=4 * hidden**2),
            layer=check_choice(self.layer, "layer", LAYERS),
            loss=check_choice(self.loss, "loss", LOSSES),
            contract=bool(self.contract),
            max_epochs=None if self.max_epochs is None else check_rounds(self.max_epochs, "max_epochs"),
            batch_size=check_integer(self.batch_size, "batch_size"),
            learning_rate=check_number(self.learning_rate, "learning_rate", low=0.0, open_low=True),
            weight_decay=check_number(self.weight_decay, "weight_decay", low=0.0),
            dropout=check_number(self.dropout, "dropout", low=0.0, high=0.9),
            normalise=bool(self.normalise),
            device=check_choice(self.device, "device", _DEVICES),
            seed=self._seed("members"),
        )

    def _held_out(self, structures: list[Structure], members: int) -> np.ndarray:
        """What each member holds out, bool [members, n]; everything where there is one structure."""
        fingerprints = [structure.fingerprint for structure in structures]
        folds = min(max(2, round(1 / self.validation)), len(set(fingerprints)))
        if folds < 2:
            return np.ones((members, len(structures)), dtype=bool)
        fold = grouped_folds(fingerprints, folds, self._seed("validation"))
        return fold[None] == (np.arange(members) % folds)[:, None]

    def _calibrate(
        self, mean: np.ndarray, variance: np.ndarray, target: np.ndarray, share: np.ndarray
    ) -> None:
        """Choose the scale of variances by errors on labels held out; all arrays are [members, n] or [n]."""
        squares = (mean - target) ** 2
        self.variance_ = max(float((share * squares).sum() / share.sum()), 1e-12)
        score = squares / np.where(np.isnan(variance), self.variance_, variance)
        total = float(share.sum()) + _PRIOR_COUNT
        self.variance_scale_ = (float((share * score).sum()) + _PRIOR_COUNT) / total

    def _shell(self) -> Shell | None:
        """Lightning where it has something to do."""
        if not (self.progress or self.callbacks or self.logger):
            return None
        from nnstruct.predictors.gnn.shell import LightningShell, logger_of

        return LightningShell(self.callbacks, logger_of(self.logger), bool(self.progress))

    def _stored_params(self) -> dict[str, Any]:
        return {**super()._stored_params(), "callbacks": (), "logger": None}

    def _get_state(self) -> FittedState:
        told = self.members_.state()
        values = {
            "transform": self.transform_.state(),
            "variance": self.variance_,
            "variance_scale": self.variance_scale_,
        }
        return FittedState({**values, "members": dict(told.values)}, told.arrays)

    def _set_state(self, state: FittedState) -> None:
        values = state.values
        self.transform_ = LabelTransform.from_state(values["transform"])
        self.variance_, self.variance_scale_ = float(values["variance"]), float(values["variance_scale"])
        self.members_ = GraphMembers(self._settings()).restore(values["members"], state.arrays)
