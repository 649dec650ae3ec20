"""A module that runs the program of an extracted Network with the Network's weights."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.errors import InvalidInputError
from nnstruct.modules.program.steps import check_runnable, run
from nnstruct.network.dense import DenseParameters, dense_parameters, program_of
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.program import Program
from nnstruct.random import check_seed, generator
from nnstruct.structure import Structure


class ProgramModule(nn.Module):
    """Runs a program step by step; weights without an edge are masked and stay zero.

    Parameters
    ----------
    program : Program
    parameters : DenseParameters
        Its weights, biases and masks.
    constants : mapping of str to array
        Scales, shifts and other tensors by name.

    Shapes
    ------
    inputs : as the example input of the extraction; the first axis may have another length where
        the module treats it as the batch.
    output : a Tensor, or a tuple of them where the module has several outputs.

    Raises
    ------
    InvalidInputError
        If a step of the program cannot be run.
    """

    def __init__(
        self, program: Program, parameters: DenseParameters, constants: dict[str, np.ndarray]
    ) -> None:
        super().__init__()
        self.program = program
        self._place: dict[str, str] = {}  # constant -> attribute
        for step in program.steps:
            check_runnable(step)
        used = sorted({name for step in program.steps for name in step.tensors.values()})
        for number, name in enumerate(used):
            attribute = f"{name.replace('.', '_')}_{number}"
            self._place[name] = attribute
            value = torch.tensor(constants[name])
            if value.is_floating_point():
                self.register_parameter(attribute, nn.Parameter(value.float()))
            else:
                self.register_buffer(attribute, value)
            mask = parameters.masks.get(name)
            if mask is not None and not mask.all():
                self.register_buffer(f"{attribute}_mask", torch.tensor(mask))

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The outputs of the program, computed in the precision of the inputs.

        Parameters
        ----------
        *inputs : Tensor
            One for each input of the program, in their order.

        Returns
        -------
        Tensor, or tuple of Tensor
            A tuple where the program has several outputs.

        Raises
        ------
        InvalidInputError
            If there are more or fewer tensors than the program has inputs.
        """
        if len(inputs) != len(self.program.inputs):
            raise InvalidInputError("inputs", f"be {len(self.program.inputs)} tensors", len(inputs))
        values = dict(zip(self.program.inputs, inputs, strict=True))
        numbers = [value.dtype for value in inputs if value.is_floating_point()]
        effective = {name: self._effective(name) for name in self._place}
        if numbers:
            effective = {
                name: value.to(numbers[0]) if value.is_floating_point() else value
                for name, value in effective.items()
            }
        for step in self.program.steps:
            tensors = {role: effective[name] for role, name in step.tensors.items()}
            made = run(step, [values[value] for value in step.inputs], tensors)
            values.update(zip(step.outputs, made, strict=True))
        outputs = tuple(values[value] for value in self.program.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def extra_repr(self) -> str:
        """What ``repr`` says beside the submodules."""
        program = self.program
        shapes, counts = program.shapes(), Counter(step.kind for step in program.steps)
        inputs, outputs = ([list(shapes[v]) for v in values] for values in (program.inputs, program.outputs))
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        return f"inputs={inputs}, outputs={outputs}, steps={len(program.steps)} ({kinds})"

    @torch.no_grad()
    def to_program(self) -> Program:
        """The program with the current weights, which :func:`nnstruct.extract.extract` reads.

        Returns
        -------
        Program
            Its constants are copies; masked weights are zero.
        """
        constants = {name: self._effective(name).detach().cpu().numpy().copy() for name in self._place}
        return replace(self.program, constants=constants)

    def _effective(self, name: str) -> Tensor:
        value: Tensor = getattr(self, self._place[name])
        mask = getattr(self, f"{self._place[name]}_mask", None)
        return value if mask is None else value * mask


def program_module(source: Structure | ModuleNetwork, *, seed: int = 0) -> ProgramModule:
    """The module that an extracted Structure or Network describes.

    Parameters
    ----------
    source : Structure or ModuleNetwork
        From :func:`nnstruct.extract.extract` at unit resolution. A Network gives its weights; for a
        Structure they are drawn: uniform in +-1 / sqrt(fan in), biases and shifts 0, scales 1.
    seed : int
        Decides the weights of a Structure.

    Returns
    -------
    ProgramModule

    Raises
    ------
    InvalidInputError
        If the source holds no program of unit resolution, was relabelled, or has an opaque step.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.extract import extract
    >>> mlp = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> x = torch.randn(5, 3)
    >>> module = program_module(extract(mlp, x))
    >>> torch.allclose(module(x), mlp(x), atol=1e-5)
    True
    """
    program = program_of(source)
    parameters = dense_parameters(source)
    constants = dict(program.constants)
    if isinstance(source, ModuleNetwork):
        constants.update(source.tensors)
        constants.update(parameters.values)
    else:
        constants.update(_drawn(source, program, parameters, check_seed(seed)))
    return ProgramModule(program, parameters, constants)


def _drawn(
    structure: Structure, program: Program, parameters: DenseParameters, seed: int
) -> dict[str, np.ndarray]:
    rng = generator(seed, "init", "program")
    values = {}
    for name in sorted(parameters.masks):
        shape = program.constants[name].shape
        bound = 1.0 / math.sqrt(max(1, math.prod(shape[1:])))
        values[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    for step in program.steps:
        for role in ("scale", "slope"):
            if role in step.tensors:
                shape = program.constants[step.tensors[role]].shape
                values[step.tensors[role]] = np.ones(shape, dtype=np.float32)
    return values
