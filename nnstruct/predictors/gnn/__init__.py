"""A graph neural network on the structure itself."""

from nnstruct.predictors.gnn.predictor import GNN

__all__ = ["GNN"]
