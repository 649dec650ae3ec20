"""The families of networks that one Structure schema serves."""

from __future__ import annotations

from dataclasses import dataclass

from nnstruct.registry import Registry


@dataclass(frozen=True)
class Family:
    """What distinguishes a family.

    Attributes
    ----------
    name : str
    recurrent : bool
        Whether recurrent (one step delayed) edges are allowed.
    keeps_state : bool
        Whether every unit is a recurrent cell with a state, so that recurrent edges are made where none
        are given. The family ``module`` allows such edges but has only those of the module.
    gates : int
        Weights that each edge carries in the clean protocol: 1 for a plain unit, 3 for GRU
        (reset, update, candidate), 4 for LSTM (input, forget, cell, output).
    biases : int
        Biases that each unit carries: as ``gates``, but 4 for GRU, whose candidate has one
        bias inside and one outside the reset gate.
    undirected : bool
        Whether edges have no direction: each stands as a delayed edge both ways, and there are no others;
        see :mod:`nnstruct.structure.undirected`.
    """

    name: str
    recurrent: bool
    keeps_state: bool
    gates: int
    biases: int
    undirected: bool = False

    @property
    def about(self) -> str:
        """What distinguishes the family, in words."""
        if self.undirected:
            return "graphs without directions, of which networks can be made"
        if self.keeps_state:
            return f"recurrent cells with {self.gates} gate{'s' if self.gates > 1 else ''} each"
        return "any operations, as extract and tables give them" if self.recurrent else "feed-forward units"


FAMILIES: Registry[Family] = Registry("family", about=lambda family: family.about)
for _family in (
    Family("mlp", recurrent=False, keeps_state=False, gates=1, biases=1),
    Family("cnn", recurrent=False, keeps_state=False, gates=1, biases=1),
    Family("module", recurrent=True, keeps_state=False, gates=1, biases=1),
    Family("rnn_tanh", recurrent=True, keeps_state=True, gates=1, biases=1),
    Family("rnn_relu", recurrent=True, keeps_state=True, gates=1, biases=1),
    Family("gru", recurrent=True, keeps_state=True, gates=3, biases=4),
    Family("lstm", recurrent=True, keeps_state=True, gates=4, biases=4),
    Family("relational", recurrent=True, keeps_state=False, gates=1, biases=1, undirected=True),
):
    FAMILIES.register(_family.name)(_family)

# Of networks: a relational graph is what many networks can be made of, and is none itself.
DIRECTED_FAMILIES = tuple(name for name in FAMILIES if not FAMILIES[name].undirected)
RNN_FAMILIES = ("rnn_tanh", "rnn_relu", "gru", "lstm")
