"""An ensemble of graph neural networks that read the weights of Networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import check_integer, check_number, check_rounds
from nnstruct.encode.weight_graph import WeightGraphEncoder
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor
from nnstruct.predictors.folds import grouped_folds
from nnstruct.processes import torch_threads
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

if TYPE_CHECKING:
    from nnstruct.predictors.weights.training import MemberSchedule

# Weight, in networks, of the belief that the variance heads are right as they are.
_PRIOR_COUNT = 5.0
_NUMBERS = ("label_mean", "label_std", "variance_scale", "mean_units")
_MEMBER, _ENCODER = "member", "encoder."


@PREDICTORS.register("weight-gnn")
class WeightGraphNetwork(Predictor):
    """Graph neural networks on trained weights: they stand on the edges, biases and read-out on the units.

    It takes Networks, of any family and of structures that differ. Messages go along the edges, multiplied by
    what the weights make of them, and against them
    (:class:`nnstruct.predictors.weights.network.WeightNet`). Other names for the units of a network change no
    prediction. Structures without weights are taken where all are without, in ``fit`` and ``predict`` alike.

    Each member predicts a mean and a variance and keeps its best epoch on its own part of the structures. The
    ensemble's mean is the mean of means, its variance the mean of variances plus the variance of means
    (Lakshminarayanan et al., 2017), where variances are scaled to the errors on the parts held out.

    Parameters
    ----------
    hidden : int
        Width of units and edges.
    layers : int
        Rounds of message passing.
    members : int
        Networks in the ensemble.
    max_epochs : int
    batch_size : int
        Networks.
    learning_rate : float
        Its peak; it rises over the first tenth of the steps and falls to zero over the rest.
    weight_decay : float
    dropout : float
        In [0, 0.9].
    validation : float
        Share of the structures that each member holds out, in (0, 0.5].
    probes : array, optional
        Inputs of the task [P, ...]; each unit then carries its activations on them, as in Kofinas et al.
        (2024) and Herrmann et al. (2024), where probes are learned. See
        :func:`nnstruct.encode.unit_activations.unit_activations` for their shapes. Networks must be able to
        run, and Structures are refused.
    n_jobs : int
        Processor threads. Results can differ in the last digits between counts.
    random_state : int
        Decides everything random; the global random state is neither read nor changed.

    Attributes
    ----------
    encoder_ : WeightGraphEncoder
    members_ : list of torch.nn.Module
    label_mean_, label_std_, variance_scale_ : float

    References
    ----------
    M. Kofinas et al. Graph neural networks for learning equivariant representations of neural networks. ICLR
    2024, arXiv 2403.12143.
    V. Herrmann, F. Faccio and J. Schmidhuber. Learning useful representations of recurrent neural network
    weight matrices. ICML 2024, arXiv 2403.11998.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> from nnstruct.predictors import WeightGraphNetwork
    >>> structure, scales = Structure.from_layers([2, 2]), np.linspace(0.1, 2.0, 20)
    >>> networks = [Network(structure, np.full((4, 1), scale), np.zeros((4, 1))) for scale in scales]
    >>> model = WeightGraphNetwork(hidden=8, layers=1, members=1, max_epochs=2)
    >>> mean, std = model.fit(networks, scales).predict(networks, return_std=True)
    >>> mean.shape, bool((std > 0).all())
    ((20,), True)
    """

    name = "weight-gnn"
    reads_weights = True

    def __init__(
        self,
        hidden: int = 32,
        layers: int = 3,
        members: int = 3,
        max_epochs: int = 15,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        dropout: float = 0.2,
        validation: float = 0.15,
        probes: np.ndarray | None = None,
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        self.hidden = hidden
        self.layers = layers
        self.members = members
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.validation = validation
        self.probes = probes
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        import torch

        from nnstruct.predictors.weights.network import PackedTensors, WeightNet
        from nnstruct.predictors.weights.training import outputs, train_member

        schedule = self._checked_options()
        share = np.ones(len(y)) if weight is None else weight / weight.mean()
        self.label_mean_ = float(np.average(y, weights=share))
        spread = float(np.sqrt(np.average((y - self.label_mean_) ** 2, weights=share)))
        self.label_std_ = spread if spread > 1e-12 * max(1.0, abs(self.label_mean_)) else 1.0
        target = (y - self.label_mean_) / self.label_std_
        self.encoder_ = WeightGraphEncoder(_as_probes(self.probes)).fit(structures)
        graphs = PackedTensors(self.encoder_.transform(structures))
        bare = check_structures(structures)
        self.mean_units_ = float(np.mean([structure.num_units for structure in bare]))
        fold = self._validation_folds(bare)

        labels, shares = (torch.tensor(values, dtype=torch.float32) for values in (target, share))
        self.members_, squares, counted = [], 0.0, 0.0
        for member in range(self.members):
            inside, outside = _parts(fold, member, share)
            rows = torch.from_numpy(outside)
            draws = torch.Generator().manual_seed(self._seed("member", member))
            with torch_threads(self.n_jobs):
                net = train_member(
                    WeightNet.drawn(draws, *self.encoder_.widths, **self._shape()), graphs, labels, shares,
                    torch.from_numpy(inside), rows, schedule, self._seed("shuffle", member), draws,
                )  # fmt: skip
                mean, log_variance = (found.double().numpy() for found in outputs(net, graphs, rows))
            self.members_.append(net)
            squares += float(share[outside] @ ((target[outside] - mean) ** 2 * np.exp(-log_variance)))
            counted += float(share[outside].sum())
        self.variance_scale_ = (squares + _PRIOR_COUNT) / (counted + _PRIOR_COUNT)

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        import torch

        from nnstruct.predictors.weights.network import PackedTensors
        from nnstruct.predictors.weights.training import outputs

        graphs = PackedTensors(self.encoder_.transform(structures))
        rows = torch.arange(len(structures))
        with torch_threads(self.n_jobs):
            found = [outputs(net, graphs, rows) for net in self.members_]
        means = np.stack([mean.double().numpy() for mean, _ in found])  # [members, n]
        mean = self.label_mean_ + self.label_std_ * means.mean(axis=0)
        if not return_std:
            return mean, None
        variances = np.stack([spread.double().exp().numpy() for _, spread in found])  # [members, n]
        variance = self.variance_scale_ * variances.mean(axis=0) + means.var(axis=0)
        return mean, self.label_std_ * np.sqrt(variance)

    def _checked_options(self) -> MemberSchedule:
        from nnstruct.predictors.weights.training import MemberSchedule

        for field in ("hidden", "layers", "members", "n_jobs"):
            check_integer(getattr(self, field), field)
        check_number(self.dropout, "dropout", low=0.0, high=0.9)
        check_number(self.validation, "validation", low=0.0, high=0.5, open_low=True)
        return MemberSchedule(
            max_epochs=check_rounds(self.max_epochs, "max_epochs"),
            batch_size=check_integer(self.batch_size, "batch_size"),
            learning_rate=check_number(self.learning_rate, "learning_rate", low=0.0, open_low=True),
            weight_decay=check_number(self.weight_decay, "weight_decay", low=0.0),
        )

    def _shape(self) -> dict[str, Any]:
        return {
            "hidden": self.hidden, "layers": self.layers, "dropout": self.dropout,
            "mean_units": self.mean_units_,
        }  # fmt: skip

    def _validation_folds(self, structures: list[Structure]) -> np.ndarray:
        fingerprints = [structure.fingerprint for structure in structures]
        folds = min(max(2, round(1 / self.validation)), len(set(fingerprints)))
        if folds < 2:
            return np.zeros(len(structures), dtype=np.int64)
        return grouped_folds(fingerprints, folds, self._seed("validation"))

    def _stored_params(self) -> dict[str, Any]:
        return {**self.get_params(deep=False), "probes": None}  # they are the encoder's, and stored with it

    def _get_state(self) -> FittedState:
        encoder_values, encoder_arrays = self.encoder_.state()
        arrays = {f"{_ENCODER}{name}": array for name, array in encoder_arrays.items()}
        for place, net in enumerate(self.members_):
            for name, tensor in net.state_dict().items():
                arrays[f"{_MEMBER}{place}.{name}"] = tensor.detach().numpy()
        numbers = {name: getattr(self, f"{name}_") for name in _NUMBERS}
        return FittedState({**numbers, "encoder": encoder_values}, arrays)

    def _set_state(self, state: FittedState) -> None:
        import torch

        from nnstruct.predictors.weights.network import WeightNet

        for name in _NUMBERS:
            setattr(self, f"{name}_", float(state.values[name]))
        self.encoder_ = WeightGraphEncoder.from_state(
            state.values["encoder"], _with_prefix(state.arrays, _ENCODER)
        )
        self.probes = self.encoder_.probes
        self._checked_options()
        self.members_ = []
        for place in range(self.members):
            weights = _with_prefix(state.arrays, f"{_MEMBER}{place}.")
            # Before a network of that size is made.
            if self.layers > len(weights) or len(weights["embed_graph.bias"]) != self.hidden:
                raise ValueError(f"member {place} has no {self.layers} layers of {self.hidden} numbers")
            net = WeightNet.empty(*self.encoder_.widths, **self._shape())
            net.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
            self.members_.append(net.eval())


def _as_probes(probes: Any) -> np.ndarray | None:
    if probes is None:
        return None
    found = np.asarray(probes)
    if found.dtype.kind not in "iuf" or found.ndim < 2 or not len(found) or not np.isfinite(found).all():
        raise InvalidInputError("probes", "be a finite array [P, ...] of inputs", probes)
    return found


def _with_prefix(arrays: Any, prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _parts(fold: np.ndarray, member: int, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions to train on and to validate on; all of them for both where a part would be empty."""
    everything = np.arange(len(fold))
    held_out = fold == member % (fold.max() + 1)
    if not (weight[held_out].sum() > 0 and weight[~held_out].sum() > 0):
        return everything, everything
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
