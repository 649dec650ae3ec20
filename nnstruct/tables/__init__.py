"""Readers of the tables that people publish: architectures with their scores, as Benchmarks.

A reader takes a file as its authors publish it, or an export that the reader's own words describe, and
gives Structures with scores for one task or several. Nothing here is a training record, and no reader
unpickles anything.

A cell whose operators sit on its edges becomes its line graph: each operator is a unit, fed by the operators
on the edges into the node that it leaves; a unit ``input`` stands for the cell's input, a unit ``output``
for what reads its last node. Where nodes add what comes in, so does each unit. Operators on nodes are units
as they are. ``none`` stays a unit (:meth:`Structure.trim` removes it). Operators have the names of
:mod:`nnstruct.structure.units` where they are the same thing, so that tables can be merged.

Accuracies are shares, as everywhere in nnstruct, where the tables have per cent.
"""

from nnstruct.tables.base import TABLES, names, read
from nnstruct.tables.graph2nn import read_graph2nn
from nnstruct.tables.macro import read_macro
from nnstruct.tables.nasbench101 import read_nasbench101
from nnstruct.tables.nasbench201 import read_nasbench201
from nnstruct.tables.nasbench301 import read_nasbench301
from nnstruct.tables.nasbench_graph import read_nasbench_graph
from nnstruct.tables.nasbench_nlp import read_nasbench_nlp
from nnstruct.tables.nds import read_nds
from nnstruct.tables.onnx_bench import read_onnx_bench

__all__ = [
    "TABLES",
    "names",
    "read",
    "read_graph2nn",
    "read_macro",
    "read_nasbench101",
    "read_nasbench201",
    "read_nasbench301",
    "read_nasbench_graph",
    "read_nasbench_nlp",
    "read_nds",
    "read_onnx_bench",
]
