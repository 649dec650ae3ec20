"""Trains many networks at once: one door, several engines."""

from nnstruct.population.engines import ENGINES, choose_engine
from nnstruct.population.job import Job
from nnstruct.population.train import Trained, stream, stream_kept, train, train_network

__all__ = [
    "ENGINES",
    "Job",
    "Trained",
    "choose_engine",
    "stream",
    "stream_kept",
    "train",
    "train_network",
]
