"""Trains many networks at once: one door, several engines."""

from nnstruct.population.engines import ENGINES, choose_engine
from nnstruct.population.job import Job
from nnstruct.population.train import stream, train, train_network

__all__ = ["ENGINES", "Job", "choose_engine", "stream", "train", "train_network"]
