"""Where structures come from: random graph models, one prior a file, all in one registry."""

from nnstruct.priors.barabasi_albert import BarabasiAlbert
from nnstruct.priors.base import PRIORS, Prior, RedrawnPrior, load_prior
from nnstruct.priors.dense_layered import DenseLayered
from nnstruct.priors.erdos_renyi import ErdosRenyi
from nnstruct.priors.newman_watts_strogatz import NewmanWattsStrogatz
from nnstruct.priors.power_law_configuration import PowerLawConfiguration
from nnstruct.priors.random_geometric import RandomGeometric
from nnstruct.priors.random_layered import RandomLayered
from nnstruct.priors.sampling import sample
from nnstruct.priors.stier_2021 import stier2021
from nnstruct.priors.stochastic_block import StochasticBlock
from nnstruct.priors.watts_strogatz import WattsStrogatz

__all__ = [
    "PRIORS",
    "BarabasiAlbert",
    "DenseLayered",
    "ErdosRenyi",
    "NewmanWattsStrogatz",
    "PowerLawConfiguration",
    "Prior",
    "RandomGeometric",
    "RandomLayered",
    "RedrawnPrior",
    "StochasticBlock",
    "WattsStrogatz",
    "load_prior",
    "sample",
    "stier2021",
]
