"""Where structures come from: random graph models and patterns of known networks, one prior a file,
all in one registry."""

from nnstruct.priors.attributes import draw_attributes
from nnstruct.priors.auto_compressing import AutoCompressing
from nnstruct.priors.barabasi_albert import BarabasiAlbert
from nnstruct.priors.base import PRIORS, Prior, RedrawnPrior, load_prior
from nnstruct.priors.dense_layered import DenseLayered
from nnstruct.priors.dense_net import DenseNet
from nnstruct.priors.discretised_ode import DiscretisedODE
from nnstruct.priors.erdos_renyi import ErdosRenyi
from nnstruct.priors.ladder import Ladder
from nnstruct.priors.newman_watts_strogatz import NewmanWattsStrogatz
from nnstruct.priors.power_law_configuration import PowerLawConfiguration
from nnstruct.priors.random_geometric import RandomGeometric
from nnstruct.priors.random_layered import RandomLayered
from nnstruct.priors.residual_chain import ResidualChain
from nnstruct.priors.resnet import ResNet
from nnstruct.priors.sampling import sample
from nnstruct.priors.small_world_cells import SmallWorldCells
from nnstruct.priors.stier_2021 import stier2021
from nnstruct.priors.stochastic_block import StochasticBlock
from nnstruct.priors.watts_strogatz import WattsStrogatz

__all__ = [
    "PRIORS",
    "AutoCompressing",
    "BarabasiAlbert",
    "DenseLayered",
    "DenseNet",
    "DiscretisedODE",
    "ErdosRenyi",
    "Ladder",
    "NewmanWattsStrogatz",
    "PowerLawConfiguration",
    "Prior",
    "RandomGeometric",
    "RandomLayered",
    "RedrawnPrior",
    "ResNet",
    "ResidualChain",
    "SmallWorldCells",
    "StochasticBlock",
    "WattsStrogatz",
    "draw_attributes",
    "load_prior",
    "sample",
    "stier2021",
]
