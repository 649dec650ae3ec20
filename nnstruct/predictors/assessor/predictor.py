"""The semi-supervised assessor of Tang et al. (2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.checks import check_integer, check_number, check_room
from nnstruct.encode import FeatureTable
from nnstruct.encode.table import means_and_scales
from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor
from nnstruct.predictors.estimator_file import only_table
from nnstruct.predictors.folds import grouped_folds
from nnstruct.predictors.gnn.neighbours import neighbours
from nnstruct.predictors.label_transform import LabelTransform
from nnstruct.processes import torch_threads
from nnstruct.random import generator
from nnstruct.structure import Structure

if TYPE_CHECKING:
    from nnstruct.predictors.assessor.network import Assessed

CLIP = 6.0
_DECAY = 1e-2
_CHUNK = 1024
HELD_OUT = 7


@PREDICTORS.register("semi-supervised-assessor")
class SemiSupervisedAssessor(Predictor):
    """A graph network on the graph of similar structures, which an auto-encoder finds.

    After Tang et al. (2020, "A Semi-Supervised Assessor of Neural Architectures", arXiv 2005.06821): an
    auto-encoder learns to embed all structures, those without a label too; structures with similar
    embeddings are connected; and a graph convolutional network on that graph learns the labels, together
    with the auto-encoder. :mod:`nnstruct.predictors.assessor.network` has the equations as they are here; the
    paper's own similarity, threshold and mixture of losses may differ in detail. Beyond the paper,
    structures of any size are embedded, by the columns of a feature table; embeddings are normalised;
    labels are transformed; a structure that is asked about is connected to those that were learned from;
    and several members, each holding out a seventh of the labels, tell the uncertainty.

    Parameters
    ----------
    families : "auto" or sequence of str
        Columns; see :class:`nnstruct.encode.FeatureTable`.
    hidden : int
        Width of the hidden layers.
    embedding : int
        Numbers that a structure is embedded to.
    share : float
        What the reconstruction counts in the loss, beside the labels; in [0, 1).
    sigma : float
        How far similarity reaches, as a root mean square difference of embeddings whose variance is 1.
    tau : float
        Similarity above which two structures are connected, in [0, 1).
    near : int
        Structures without a label that are drawn near the training ones
        (:func:`nnstruct.predictors.gnn.neighbours.neighbours`), unless ``fit`` is given ``unlabelled``.
    members : int
    steps : int
        Of AdamW, the rate falling to zero as a half cosine.
    batch_size : int
        Structures a step, at most half of them with a label where there are others.
    learning_rate : float
    n_jobs : int
        Processor threads.
    random_state : int

    Attributes
    ----------
    table_ : FeatureTable
    members_ : list of Assessed
    transform_ : LabelTransform
    variance_ : float
        Mean squared error of transformed labels held out.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import SemiSupervisedAssessor
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 21)]
    >>> model = SemiSupervisedAssessor(members=1, steps=50)
    >>> _ = model.fit(structures[::2], [float(s.num_units) for s in structures[::2]], unlabelled=structures)
    >>> bool(model.predict(structures[:1])[0] < model.predict(structures[-1:])[0])
    True
    """

    name = "semi-supervised-assessor"
    _takes = frozenset({"unlabelled"})

    def __init__(
        self,
        families: str | Sequence[str] = "auto",
        hidden: int = 64,
        embedding: int = 32,
        share: float = 0.2,
        sigma: float = 0.3,
        tau: float = 1e-5,
        near: int = 0,
        members: int = 3,
        steps: int = 200,
        batch_size: int = 256,
        learning_rate: float = 3e-3,
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        self.families = families
        self.hidden = hidden
        self.embedding = embedding
        self.share = share
        self.sigma = sigma
        self.tau = tau
        self.near = near
        self.members = members
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(
        self,
        structures: list[Structure],
        y: np.ndarray,
        weight: np.ndarray | None,
        unlabelled: list[Structure] | None = None,
    ) -> None:
        members, near = (
            check_integer(self.members, "members", each=4_000),
            check_integer(self.near, "near", low=0),
        )
        for field in ("hidden", "embedding", "steps", "batch_size"):
            check_integer(getattr(self, field), field)
        check_room(self.hidden, "hidden", 4 * int(self.hidden) ** 2)
        check_room(self.embedding, "embedding", 4 * int(self.embedding) * int(self.hidden))
        for field in ("sigma", "learning_rate"):
            check_number(getattr(self, field), field, low=0.0, open_low=True)
        for field in ("share", "tau"):
            check_number(getattr(self, field), field, low=0.0, high=1.0, open_high=True)
        with torch_threads(check_integer(self.n_jobs, "n_jobs")):
            weights = np.ones(len(y)) if weight is None else weight / weight.mean()
            if (weights == 0).any():
                kept = np.flatnonzero(weights > 0)
                structures, y, weights = [structures[i] for i in kept], y[kept], weights[kept]
            others = unlabelled or []
            if unlabelled is None and near:
                others = neighbours(structures, near, generator(self._seed("neighbours")))
            everything = [*structures, *others]
            self.table_ = FeatureTable(self.families).fit(everything)
            table = self.table_.transform(everything)
            self.centre_, self.scale_ = means_and_scales(table)
            self.rows_ = self._scaled(table)
            self.transform_ = LabelTransform().fit(y)
            target = self.transform_.transform(y)
            held_out = self._held_out(structures, members)
            self.members_ = []
            squares = counted = 0.0
            for member, out in enumerate(held_out):
                inside = np.where(out & ~out.all(), 0.0, weights)
                self.members_.append(self._trained(target, inside, member))
                error = (self.members_[-1](self.rows_[: len(y)]) - target) ** 2
                squares += float((weights * error)[out].sum())
                counted += float(weights[out].sum())
            self.variance_ = max(squares / counted, 1e-12)

    def _trained(self, target: np.ndarray, weight: np.ndarray, member: int) -> Assessed:
        import torch

        from nnstruct.predictors.assessor.network import drawn, loss

        rows = torch.from_numpy(self.rows_.astype(np.float32))
        goal, counts = torch.zeros(len(rows)), torch.zeros(len(rows))
        goal[: len(target)] = torch.from_numpy(target.astype(np.float32))
        counts[: len(target)] = torch.from_numpy(weight.astype(np.float32))
        draws = torch.Generator().manual_seed(self._seed("weights", member))
        w = drawn(rows.shape[1], self.hidden, self.embedding, draws)
        w["graph2_shift"] += float(np.average(target, weights=weight))
        for one in w.values():
            one.requires_grad_()
        optimizer = torch.optim.AdamW(w.values(), lr=self.learning_rate, weight_decay=_DECAY, fused=True)
        rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        labelled, rest = np.flatnonzero(weight > 0), np.arange(len(target), len(rows))
        rest = np.append(np.flatnonzero(weight == 0), rest)
        rng = generator(self._seed("batches", member))
        first = len(labelled) if len(rows) <= self.batch_size else max(1, self.batch_size // 2)
        known, unknown = _cycled(labelled, first, rng), _cycled(rest, self.batch_size - first, rng)
        for _ in range(self.steps):
            chosen = torch.from_numpy(np.concatenate([next(known), next(unknown)]))
            optimizer.zero_grad()
            told = loss(w, rows[chosen], goal[chosen], counts[chosen], self.share, self.sigma, self.tau)
            told.backward()
            optimizer.step()
            rates.step()
        return self._assessed({name: one.detach().numpy() for name, one in w.items()})

    def _assessed(self, weights: dict[str, np.ndarray]) -> Assessed:
        from nnstruct.predictors.assessor.network import Assessed

        return Assessed(weights, self.rows_, float(self.sigma), float(self.tau))

    def _held_out(self, structures: list[Structure], members: int) -> np.ndarray:
        """What each member holds out, bool [members, n]; everything where there is one structure."""
        fingerprints = [structure.fingerprint for structure in structures]
        folds = min(HELD_OUT, len(set(fingerprints)))
        if folds < 2:
            return np.ones((members, len(structures)), dtype=bool)
        fold = grouped_folds(fingerprints, folds, self._seed("validation"))
        return fold[None] == (np.arange(members) % folds)[:, None]

    def _scaled(self, table: np.ndarray) -> np.ndarray:
        return np.clip((table - self.centre_) / self.scale_, -CLIP, CLIP)

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        with torch_threads(check_integer(self.n_jobs, "n_jobs")):
            rows = self._scaled(self.table_.transform(structures))
            parts = [rows[at : at + _CHUNK] for at in range(0, len(rows), _CHUNK)]
            said = np.stack([np.concatenate([one(part) for part in parts]) for one in self.members_])
        std = np.sqrt(self.variance_ + said.var(axis=0))
        mean, std = self.transform_.moments(said.mean(axis=0), std)
        return mean, std if return_std else None

    def _get_state(self) -> FittedState:
        arrays = {"rows": self.rows_, "centre": self.centre_, "scale": self.scale_}
        for index, member in enumerate(self.members_):
            arrays |= {f"member{index}.{name}": one for name, one in member.weights.items()}
        values = {"transform": self.transform_.state(), "variance": self.variance_}
        return FittedState(values, arrays, only_table(self.table_))

    def _set_state(self, state: FittedState) -> None:
        from nnstruct.predictors.assessor.network import shapes

        arrays = state.arrays
        self.table_ = state.estimator[0]
        self.transform_ = LabelTransform.from_state(state.values["transform"])
        self.variance_ = float(state.values["variance"])
        self.rows_, self.centre_, self.scale_ = (arrays[name] for name in ("rows", "centre", "scale"))
        expected = shapes(self.rows_.shape[1], self.hidden, self.embedding)
        self.members_ = []
        for index in range(self.members):
            weights = {name: arrays[f"member{index}.{name}"] for name in expected}
            wrong = [name for name, shape in expected.items() if weights[name].shape != shape]
            if wrong:
                raise ValueError(f"{wrong[0]} must have shape {list(expected[wrong[0]])}")
            self.members_.append(self._assessed(weights))


def _cycled(places: np.ndarray, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random parts of ``places``, each place equally often; all of them where there are no more."""
    waiting = np.zeros(0, dtype=np.int64)
    while True:
        if len(places) <= count:
            yield places
            continue
        while len(waiting) < count:
            waiting = np.concatenate([waiting, rng.permutation(places)])
        yield waiting[:count]
        waiting = waiting[count:]
