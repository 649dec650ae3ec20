"""An auto-encoder of structures, the graph of similar ones, and the network that reads it.

With ``x_i`` the columns of structure ``i``, ``E`` and ``D`` the encoder and decoder and ``e_i = E(x_i)`` of
``k`` numbers, normalised to mean 0 and variance 1 over these:

- reconstruction: ``L_rc = mean over i of |x_i - D(e_i)|^2 / c``, over all structures, ``c`` columns each;
- similarity: ``s_ij = exp(-d(e_i, e_j) / (2 sigma^2))`` with ``d = |e_i - e_j|^2 / k``;
- graph: ``A_ij = s_ij`` where ``i != j`` and ``s_ij > tau``, otherwise 0;
- layers: ``H' = relu(N H W + b)`` with ``N = G^-1/2 (A + I) G^-1/2``, ``G`` the diagonal of the row sums of
  ``A + I`` (Kipf and Welling, 2017, arXiv 1609.02907); the first ``H`` is ``e``, the last layer has no relu;
- regression: ``L_rg = sum w_i (p_i - y_i)^2 / sum w_i`` over structures with a label;
- both: ``L = (1 - lambda) L_rg + lambda L_rc``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_VARIANCE = 1e-5


def shapes(columns: int, hidden: int, embedding: int) -> dict[str, tuple[int, int]]:
    """The arrays of an assessor; what is one row high is a shift.

    Parameters
    ----------
    columns, hidden, embedding : int

    Returns
    -------
    dict of str to (int, int)
    """
    return {
        "encode1": (columns, hidden), "encode1_shift": (1, hidden),
        "encode2": (hidden, embedding), "encode2_shift": (1, embedding),
        "decode1": (embedding, hidden), "decode1_shift": (1, hidden),
        "decode2": (hidden, columns), "decode2_shift": (1, columns),
        "graph1": (embedding, hidden), "graph1_shift": (1, hidden),
        "graph2": (hidden, 1), "graph2_shift": (1, 1),
    }  # fmt: skip


def drawn(columns: int, hidden: int, embedding: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Uniform weights within 1 / sqrt(inputs), shifts of zero.

    Parameters
    ----------
    columns, hidden, embedding : int
    generator : torch.Generator

    Returns
    -------
    dict of str to float32 Tensor
    """
    made = {}
    for name, shape in shapes(columns, hidden, embedding).items():
        bound = 0.0 if shape[0] == 1 and name.endswith("shift") else shape[0] ** -0.5
        made[name] = (torch.rand(shape, generator=generator) * 2.0 - 1.0) * bound
    return made


def encode(w: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The embeddings ``e``.

    Parameters
    ----------
    w : mapping of str to Tensor
    x : Tensor [B, c]

    Returns
    -------
    Tensor [B, k]
    """
    hidden = functional.relu(x @ w["encode1"] + w["encode1_shift"])
    e = hidden @ w["encode2"] + w["encode2_shift"]
    return functional.layer_norm(e, e.shape[1:], eps=_VARIANCE)


def decode(w: Mapping[str, Tensor], e: Tensor) -> Tensor:
    """The columns that embeddings stand for.

    Parameters
    ----------
    w : mapping of str to Tensor
    e : Tensor [B, k]

    Returns
    -------
    Tensor [B, c]
    """
    return functional.relu(e @ w["decode1"] + w["decode1_shift"]) @ w["decode2"] + w["decode2_shift"]


def similarity(e: Tensor, other: Tensor, sigma: float, tau: float) -> Tensor:
    """``s`` of each pair, 0 where it does not exceed ``tau``.

    Parameters
    ----------
    e : Tensor [B, k]
    other : Tensor [R, k]
    sigma, tau : float

    Returns
    -------
    Tensor [B, R]
    """
    squares = (e**2).sum(dim=1, keepdim=True) + (other**2).sum(dim=1) - 2.0 * e @ other.T
    s = torch.exp(-squares.clamp_min(0.0) / e.shape[1] / (2.0 * sigma**2))
    return torch.where(s > tau, s, torch.zeros_like(s))


def adjacency(e: Tensor, sigma: float, tau: float) -> tuple[Tensor, Tensor]:
    """The normalised graph ``N`` and the row sums of ``A + I``.

    Parameters
    ----------
    e : Tensor [B, k]
    sigma, tau : float

    Returns
    -------
    Tensor [B, B], Tensor [B]
    """
    eye = torch.eye(len(e), dtype=e.dtype)
    with_loops = similarity(e, e, sigma, tau) * (1.0 - eye) + eye
    degree = with_loops.sum(dim=1)
    root = torch.rsqrt(degree)
    return root[:, None] * with_loops * root, degree


def assess(w: Mapping[str, Tensor], e: Tensor, normalised: Tensor) -> Tensor:
    """What two layers on the graph say of each structure.

    Parameters
    ----------
    w : mapping of str to Tensor
    e : Tensor [B, k]
    normalised : Tensor [B, B]

    Returns
    -------
    Tensor [B]
    """
    h = functional.relu(normalised @ (e @ w["graph1"]) + w["graph1_shift"])
    return (normalised @ (h @ w["graph2"]) + w["graph2_shift"])[:, 0]


def loss(
    w: Mapping[str, Tensor], x: Tensor, y: Tensor, weight: Tensor, share: float, sigma: float, tau: float
) -> Tensor:
    """``(1 - lambda) L_rg + lambda L_rc`` of a batch.

    Parameters
    ----------
    w : mapping of str to Tensor
    x : Tensor [B, c]
    y, weight : Tensor [B]
        The weight is zero where there is no label.
    share : float
        ``lambda``.
    sigma, tau : float

    Returns
    -------
    Tensor
    """
    e = encode(w, x)
    rebuilt = ((decode(w, e) - x) ** 2).mean()
    said = assess(w, e, adjacency(e, sigma, tau)[0])
    regression = (weight * (said - y) ** 2).sum() / weight.sum().clamp_min(1e-12)
    return (1.0 - share) * regression + share * rebuilt


class Assessed:
    """A trained assessor with the graph of the structures it has learned from, asked about others.

    A structure that is asked about gets edges to those of the graph, none to others that are asked about,
    and changes no degree but its own, so that the answer does not hang on the company.

    Parameters
    ----------
    weights : mapping of str to float array
    reference : float64 [R, c]
        Columns of the structures of the graph.
    sigma, tau : float
    """

    def __init__(
        self, weights: Mapping[str, np.ndarray], reference: np.ndarray, sigma: float, tau: float
    ) -> None:
        self.weights = {name: np.asarray(one, dtype=np.float32) for name, one in weights.items()}
        self._w = {name: torch.from_numpy(one).double() for name, one in self.weights.items()}
        self.sigma, self.tau = sigma, tau
        w = self._w
        self._e = encode(w, torch.from_numpy(reference).double())
        normalised, self._degree = adjacency(self._e, sigma, tau)
        h = functional.relu(normalised @ (self._e @ w["graph1"]) + w["graph1_shift"])
        self._inner, self._outer = self._e @ w["graph1"], h @ w["graph2"]  # [R, hidden], [R, 1]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """What is said of structures.

        Parameters
        ----------
        x : float64 [m, c]

        Returns
        -------
        float64 [m]
        """
        w, e = self._w, encode(self._w, torch.from_numpy(x).double())
        edges = similarity(e, self._e, self.sigma, self.tau)  # [m, R]
        degree = 1.0 + edges.sum(dim=1, keepdim=True)
        edges = edges * torch.rsqrt(degree) * torch.rsqrt(self._degree)
        h = functional.relu(edges @ self._inner + e @ w["graph1"] / degree + w["graph1_shift"])
        return (edges @ self._outer + h @ w["graph2"] / degree + w["graph2_shift"])[:, 0].numpy()
