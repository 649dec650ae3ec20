"""Where structures come from: random graph models and patterns of known networks, one prior a file,
all in one registry.

Examples
--------
A prior of one's own, here a path with random short cuts to the last unit:

>>> import numpy as np
>>> from nnstruct.priors import Prior
>>> class ShortCuts(Prior):
...     name = "short-cuts"
...     units: int
...     p: float
...
...     @property
...     def expected_edges(self):
...         return self.units - 1 + self.p * (self.units - 2)
...
...     @classmethod
...     def parameters_for(cls, units, rng):
...         return {"units": units, "p": rng.uniform()}
...
...     def pairs(self, rng):
...         path = np.stack([np.arange(self.units - 1), np.arange(1, self.units)])
...         cuts = np.flatnonzero(rng.random(self.units - 2) < self.p)
...         return np.concatenate([path, np.stack([cuts, np.full_like(cuts, self.units - 1)])], axis=1)
>>> ShortCuts(units=8, p=0.5).sample(0, family="mlp").num_layers
8
"""

from nnstruct.priors.attributes import draw_attributes
from nnstruct.priors.auto_compressing import AutoCompressing
from nnstruct.priors.barabasi_albert import BarabasiAlbert
from nnstruct.priors.base import PRIORS, Prior, load_prior
from nnstruct.priors.dense_layered import DenseLayered
from nnstruct.priors.dense_net import DenseNet
from nnstruct.priors.discretised_ode import DiscretisedODE
from nnstruct.priors.erdos_renyi import ErdosRenyi
from nnstruct.priors.expander import Expander
from nnstruct.priors.ladder import Ladder
from nnstruct.priors.lognormal_fan_in import LognormalFanIn
from nnstruct.priors.newman_watts_strogatz import NewmanWattsStrogatz
from nnstruct.priors.power_law_configuration import PowerLawConfiguration
from nnstruct.priors.random_geometric import RandomGeometric
from nnstruct.priors.random_layered import RandomLayered
from nnstruct.priors.redrawn import RedrawnPrior
from nnstruct.priors.residual_chain import ResidualChain
from nnstruct.priors.resnet import ResNet
from nnstruct.priors.sampling import sample
from nnstruct.priors.small_world_cells import SmallWorldCells
from nnstruct.priors.small_world_flex import SmallWorldFlex
from nnstruct.priors.stier_2021 import stier2021
from nnstruct.priors.stochastic_block import StochasticBlock
from nnstruct.priors.strong_community import StrongCommunity
from nnstruct.priors.watts_strogatz import WattsStrogatz

__all__ = [
    "PRIORS",
    "AutoCompressing",
    "BarabasiAlbert",
    "DenseLayered",
    "DenseNet",
    "DiscretisedODE",
    "ErdosRenyi",
    "Expander",
    "Ladder",
    "LognormalFanIn",
    "NewmanWattsStrogatz",
    "PowerLawConfiguration",
    "Prior",
    "RandomGeometric",
    "RandomLayered",
    "RedrawnPrior",
    "ResNet",
    "ResidualChain",
    "SmallWorldCells",
    "SmallWorldFlex",
    "StochasticBlock",
    "StrongCommunity",
    "WattsStrogatz",
    "draw_attributes",
    "load_prior",
    "sample",
    "stier2021",
]
