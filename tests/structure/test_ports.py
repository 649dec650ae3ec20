"""Other units at the input and the read-out, and what becomes of units that are then dead."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import structures

from nnstruct import Structure
from nnstruct.errors import StructureError, UnknownNameError
from nnstruct.structure.ports import INPUTS, OUTPUTS, with_ports


@given(structures(("mlp",)), st.sampled_from(list(INPUTS)), st.sampled_from(list(OUTPUTS)))
def test_no_unit_is_left_dead_and_none_is_dropped_silently(structure, inputs, outputs):
    smaller = with_ports(structure, inputs=inputs, outputs=outputs, dead="remove")
    assert not len(smaller.dead_units)
    if smaller.num_units == structure.num_units:
        assert with_ports(structure, inputs=inputs, outputs=outputs) == smaller
    else:
        assert (inputs, outputs) != ("sources", "sinks")
        with pytest.raises(StructureError, match="dead='remove' leaves them out"):
            with_ports(structure, inputs=inputs, outputs=outputs)
    assert smaller.origin == structure.origin | {"inputs": inputs, "outputs": outputs}


@given(structures(("mlp",)))
def test_the_last_layer_alone_is_read_and_keeps_its_units_layers_and_attributes(structure):
    smaller = with_ports(structure, outputs="last_layer", dead="remove")
    last = structure.layer == structure.layer.max()
    assert smaller.num_layers == structure.num_layers
    assert smaller.outputs.sum() == last.sum()
    assert np.array_equal(smaller.outputs, smaller.layer == smaller.layer.max())
    for name, values in structure.attributes.items():
        kept = [value for value, keep in zip(values, last, strict=True) if keep]
        assert [v for v, out in zip(smaller.attributes[name], smaller.outputs, strict=True) if out] == kept


@given(structures(("mlp",)))
def test_the_first_layer_is_that_of_the_sources(structure):
    assert with_ports(structure, inputs="first_layer") == with_ports(structure)
    assert with_ports(structure, inputs="all", outputs="all").inputs.all()


def test_a_misspelt_choice_names_what_is_near():
    structure = Structure.from_layers([2, 2])
    with pytest.raises(UnknownNameError, match="outputs must be one of all, last_layer, sinks, got 'last'"):
        with_ports(structure, outputs="last")
    with pytest.raises(StructureError, match="dead must be one of error, remove, got 'drop'"):
        with_ports(structure, dead="drop")
