"""Trains many networks at once: one door, several engines."""

from nnstruct.population.engines import ENGINES, choose_engine
from nnstruct.population.hopeless import Rule, check_rule, stopping
from nnstruct.population.job import Job
from nnstruct.population.train import Trained, in_order, stream, stream_kept, train, train_network

__all__ = [
    "ENGINES",
    "Job",
    "Rule",
    "Trained",
    "check_rule",
    "choose_engine",
    "in_order",
    "stopping",
    "stream",
    "stream_kept",
    "train",
    "train_network",
]
