"""Structures and Networks as rows of a feature table and as graphs for a graph neural network."""

from nnstruct.encode.graph import EDGE_FEATURES, GRAPH_FEATURES, NODE_FEATURES, EncodedGraph, encode_graph
from nnstruct.encode.pyg import GraphEncoder
from nnstruct.encode.table import FeatureTable, to_table
from nnstruct.encode.weight_table import WeightTable

__all__ = [
    "EDGE_FEATURES",
    "GRAPH_FEATURES",
    "NODE_FEATURES",
    "EncodedGraph",
    "FeatureTable",
    "GraphEncoder",
    "WeightTable",
    "encode_graph",
    "to_table",
]
