"""The predictor that wraps an ensemble of graph neural networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import check_integer, check_number
from nnstruct.encode import GraphEncoder
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor
from nnstruct.predictors.folds import grouped_folds
from nnstruct.structure import Structure

if TYPE_CHECKING:
    from torch_geometric.data import Data

    from nnstruct.predictors.gnn.network import StructureNet
    from nnstruct.predictors.gnn.training import TrainingOptions

_PREDICT_BATCH = 128
# Weight, in structures, of the belief that the variance heads are right as they are.
_PRIOR_COUNT = 5.0
_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "auto": "auto"}


@PREDICTORS.register("gnn")
class GNN(Predictor):
    """An ensemble of graph neural networks that read units, edges and layers themselves.

    Each member has layers of GINE (Hu et al., 2020) and predicts a mean and a variance; it is
    stopped early on its own part of the training structures. The ensemble's mean is the mean of
    means, its variance the mean of variances plus the variance of means (Lakshminarayanan et
    al., 2017), where variances are scaled to the errors on the parts held out.

    Parameters
    ----------
    hidden : int
        Width of every layer.
    layers : int
        Rounds of message passing.
    members : int
        Networks in the ensemble.
    max_epochs : int
    patience : int
        Epochs without a better validation loss after which a member stops.
    batch_size : int
        Graphs.
    learning_rate : float
        Its peak; it rises over the first 15% of the steps and falls to zero over the rest.
    weight_decay : float
    dropout : float
        In [0, 0.9].
    validation : float
        Share of the training structures that each member holds out, in (0, 0.5].
    device : {"cpu", "cuda", "auto"}
        Where members are trained; predictions are made on the CPU.
    n_jobs : int
        Processor threads. Results can differ in the last digits between counts.
    progress : bool
        Whether to show a progress bar for each member.
    random_state : int
        Decides everything random; the global random state is neither read nor changed.

    Attributes
    ----------
    encoder_ : GraphEncoder
    members_ : list of torch.nn.Module
    label_mean_, label_std_, variance_scale_ : float

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

    def __init__(
        self,
        hidden: int = 32,
        layers: int = 4,
        members: int = 3,
        max_epochs: int = 40,
        patience: int = 15,
        batch_size: int = 32,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-4,
        dropout: float = 0.0,
        validation: float = 0.15,
        device: str = "cpu",
        n_jobs: int = 1,
        progress: bool = False,
        random_state: int = 0,
    ) -> None:
        self.hidden = hidden
        self.layers = layers
        self.members = members
        self.max_epochs = max_epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.validation = validation
        self.device = device
        self.n_jobs = n_jobs
        self.progress = progress
        self.random_state = random_state

    def _fit(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        from nnstruct.predictors.gnn.training import isolated, predict_member, train_member

        options = self._options()
        self._check_network()
        share = np.ones(len(y)) if weight is None else weight / weight.mean()
        self.label_mean_ = float(np.average(y, weights=share))
        spread = float(np.sqrt(np.average((y - self.label_mean_) ** 2, weights=share)))
        self.label_std_ = spread if spread > 1e-12 * max(1.0, abs(self.label_mean_)) else 1.0
        target = (y - self.label_mean_) / self.label_std_
        self.encoder_ = GraphEncoder().fit(structures)
        self.mean_units_ = float(np.mean([s.num_units for s in structures]))
        graphs = _labelled(self.encoder_.transform(structures), target, share)
        fold = self._validation_folds(structures)

        self.members_, squares, counted = [], 0.0, 0.0
        for member in range(self.members):
            inside, outside = _parts(fold, member, share)
            with isolated(self._seed("member", member), self.n_jobs):
                net = train_member(
                    self._network(),
                    [graphs[i] for i in inside],
                    [graphs[i] for i in outside],
                    options,
                    self._seed("shuffle", member),
                )
                mean, variance = predict_member(net, [graphs[i] for i in outside], _PREDICT_BATCH)
            self.members_.append(net)
            score = (target[outside] - mean.double().numpy()) ** 2 / variance.double().numpy()
            squares += float(share[outside] @ score)
            counted += float(share[outside].sum())
        self.variance_scale_ = (squares + _PRIOR_COUNT) / (counted + _PRIOR_COUNT)

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        from nnstruct.predictors.gnn.training import isolated, predict_member

        graphs = self.encoder_.transform(structures)
        with isolated(0, self.n_jobs):
            outputs = [predict_member(net, graphs, _PREDICT_BATCH) for net in self.members_]
        means = np.stack([mean.double().numpy() for mean, _ in outputs])  # [members, n]
        mean = self.label_mean_ + self.label_std_ * means.mean(axis=0)
        if not return_std:
            return mean, None
        variances = np.stack([variance.double().numpy() for _, variance in outputs])  # [members, n]
        variance = self.variance_scale_ * variances.mean(axis=0) + means.var(axis=0)
        return mean, self.label_std_ * np.sqrt(variance)

    def _options(self) -> TrainingOptions:
        from nnstruct.predictors.gnn.training import TrainingOptions

        if self.device not in _ACCELERATORS:
            raise InvalidInputError("device", f"be one of {', '.join(_ACCELERATORS)}", self.device)
        return TrainingOptions(
            max_epochs=check_integer(self.max_epochs, "max_epochs"),
            patience=check_integer(self.patience, "patience"),
            batch_size=check_integer(self.batch_size, "batch_size"),
            learning_rate=check_number(self.learning_rate, "learning_rate", low=0.0, open_low=True),
            weight_decay=check_number(self.weight_decay, "weight_decay", low=0.0),
            accelerator=_ACCELERATORS[self.device],
            progress=bool(self.progress),
        )

    def _check_network(self) -> None:
        for field in ("hidden", "layers", "members", "n_jobs"):
            check_integer(getattr(self, field), field)
        check_number(self.dropout, "dropout", low=0.0, high=0.9)
        check_number(self.validation, "validation", low=0.0, high=0.5, open_low=True)

    def _network(self) -> StructureNet:
        from nnstruct.predictors.gnn.network import StructureNet

        return StructureNet(
            *self.encoder_.widths,
            hidden=self.hidden,
            layers=self.layers,
            dropout=self.dropout,
            mean_units=self.mean_units_,
        )

    def _validation_folds(self, structures: list[Structure]) -> np.ndarray:
        fingerprints = [structure.fingerprint for structure in structures]
        folds = min(max(2, round(1 / self.validation)), len(set(fingerprints)))
        if folds < 2:
            return np.zeros(len(structures), dtype=np.int64)
        return grouped_folds(fingerprints, folds, self._seed("validation"))

    def _get_state(self) -> FittedState:
        encoder_values, encoder_arrays = self.encoder_.state()
        arrays = {f"encoder.{name}": array for name, array in encoder_arrays.items()}
        for index, net in enumerate(self.members_):
            for name, tensor in net.state_dict().items():
                arrays[f"member{index}.{name}"] = tensor.detach().cpu().numpy()
        values: dict[str, Any] = {name: getattr(self, f"{name}_") for name in _NUMBERS}
        return FittedState(values | {"encoder": encoder_values}, arrays)

    def _set_state(self, state: FittedState) -> None:
        import torch

        from nnstruct.predictors.gnn.training import isolated

        for name in _NUMBERS:
            setattr(self, f"{name}_", float(state.values[name]))
        self.encoder_ = GraphEncoder.from_state(
            state.values["encoder"], _with_prefix(state.arrays, "encoder.")
        )
        self.members_ = []
        for index in range(self.members):
            with isolated(0, self.n_jobs):
                net = self._network()
            weights = _with_prefix(state.arrays, f"member{index}.")
            net.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
            self.members_.append(net.eval())


_NUMBERS = ("label_mean", "label_std", "variance_scale", "mean_units")


def _with_prefix(arrays: Any, prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _labelled(graphs: list[Data], target: np.ndarray, weight: np.ndarray) -> list[Data]:
    import torch

    for graph, label, share in zip(graphs, target, weight, strict=True):
        graph.y = torch.tensor([label], dtype=torch.float32)
        graph.weight = torch.tensor([share], dtype=torch.float32)
    return graphs


def _parts(fold: np.ndarray, member: int, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions to train on and to validate on; all of them for both where a part would be empty."""
    everything = np.arange(len(fold))
    held_out = fold == member % (fold.max() + 1)
    if not (weight[held_out].sum() > 0 and weight[~held_out].sum() > 0):
        return everything, everything
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
