"""Trained modules and ONNX files as Networks.

A unit is a neuron, a hidden unit or a channel; the channels of the network's input are units of
their own. What becomes a unit and an edge, and which values it has:

====================  ============================================  ========================================
what                  ``resolution="unit"``                         ``resolution="weight"``
====================  ============================================  ========================================
input                 a unit for each feature or channel            a unit for each feature; for each
                                                                    position where a convolution or pool
                                                                    reads it
input of symbols      one unit                                      a unit for each symbol of the table
linear                a unit for each output; an edge ``weight``    the same, after a flatten an edge for
                      [1], after a flatten [positions]              each position
convolution           a unit for each output channel; an edge       a unit for each channel and position; an
                      ``weight`` [kernel positions]                 edge [1] for each tap inside the map
transposed, grouped   as a convolution, edges inside a group only   the same
bilinear              a unit for each output; ``weight`` [features  a unit for each product (two
                      of the other side] from the first, an         ``identity`` edges); ``weight`` [1] from
                      ``identity`` edge from the second input       them
embedding             a unit for each dimension; ``weight``         ``weight`` [1] from each symbol
                      [symbols]
RNN                   a unit for each hidden unit; ``weight`` [1],  the same
                      ``recurrent`` [1]
GRU                   the same with [3]: reset, update, candidate   5 units: the gates, the candidate's
                                                                    recurrent part, the state; edges [1]
LSTM                  the same with [4]: input, forget, candidate,  6 units: the gates, cell, hidden state;
                      output                                        edges [1]
projection            a unit for each projected one; ``weight``     the same
                      [1] from all hidden units; the recurrent
                      edges come from it
cell in a loop        as the layer, once for all time steps; of a   the same
                      hand-written one each step once, with
                      ``recurrent`` edges from the step before
activation, norm,     part of the units before it; where their      the same; pools have a unit for each
scale, pool           value is read elsewhere too, a unit for each  channel and position and an ``identity``
                      with an ``identity`` edge                     edge from each position of the window
add, multiply,        a unit for each output; an ``identity`` edge  the same
subtract, divide      from each side
concatenation,        none                                          none
flatten, reshape,
transpose, dropout
attention             a unit for each head's scores (``identity``   the same
                      edges from its queries and keys) and one for
                      each output (from scores and value)
operation (top k,     a unit for each channel of its result, with   the same
gather by values,     ``identity`` edges from all that it may read
grid sample)
channel of several    a unit for each channel, with ``identity``    none
units' maps, before   edges from the units that its map is put
a convolution         together from
mask, lengths,        none; integers that only say where to look    none
edges of a graph      are constants of the example
scale of pairs of     a unit for each place that the sum is taken   the same
units, and its sum    at; an edge for each factor that is not 0
resize                part of the units before it                   a unit for each position; ``identity``
                                                                    edges that carry the coefficients
opaque                a unit for each channel of its result, with   the same
                      ``identity`` edges from all its inputs
====================  ============================================  ========================================

Edge kinds are ``weight``, ``recurrent`` (one time step delayed), ``identity`` (without parameters,
1 for a value that is added or read, -1 for one that is subtracted, the coefficient of a resize) and
``state`` (a delayed identity). An edge exists where one of its values is above the threshold. A unit
whose scale is zero everywhere has no incoming edges.

Weights that stand for integers (fake quantisation, eight-bit and half-precision modules) are the real
numbers that they stand for; the step's option ``quantised`` names their type. Fake quantisation keeps the
scales that it has, and its observers are off; scales that were never measured are those of the example.

Biases are the rows of ``network.bias`` [N, b]: b is 1, 4 for LSTM and GRU (whose candidate has one
bias inside and one outside the reset gate). Scales and shifts of normalisations and other constants
are in ``network.tensors``. Weights that several steps share are in ``network.tied``; each use has
units of its own. ``structure.attributes`` names each unit's ``operator``, ``activation`` (what
joined it, in order, with ``+`` between; pools with window and stride, ``max_pool2d_3_s2``) and
``stage`` (its group, in the order of the program). ``kernel``, ``stride``, ``dilation`` and ``groups``
are those of its own step, 1 where it has none; of a linear unit the kernel is how many places of a
channel it reads. At layer resolution there is ``width`` too: the neurons or channels of the operator.

With ``family="auto"`` a network that a family of structures can have is read as one of that family: see
:mod:`nnstruct.extract.family`.

At ``resolution="layer"`` each input, each step that computes and each concatenation is one unit,
with an edge for each result that is read, and a recurrent edge from a recurrent layer to itself.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from nnstruct.extract.exported import extract_pt2
from nnstruct.extract.extract import extract
from nnstruct.extract.onnx import extract_onnx

__all__ = ["extract", "extract_onnx", "extract_pt2"]


class _Callable(ModuleType):
    """The package can be called as its function: ``ns.extract(module, x)``, however it was imported."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return extract(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
