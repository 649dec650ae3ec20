"""Fourier transforms, and copies to places: the same numbers as the module's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nnstruct.extract import extract
from nnstruct.modules.program.module import program_module
from nnstruct.program import UnsupportedOperationError

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "several axes": lambda x: torch.fft.fftn(x, dim=(1, 2)).real,
    "half of the frequencies": lambda x: torch.fft.rfft(x, dim=1).abs(),
    "a shorter part": lambda x: torch.view_as_real(torch.fft.fft(x, n=4)),
    "there and back": lambda x: torch.fft.irfft2(torch.fft.rfft2(x, norm="ortho"), norm="ortho"),
    "back by another norm": lambda x: torch.fft.ifft(torch.fft.fft(x), norm="forward").imag + x,
    "copied to places": lambda x: x.index_copy(-1, torch.tensor([5, 0]), 2 * x[..., :2]),
}


class Applied(nn.Module):
    """A function of a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.function = nn.Linear(6, 6), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.layer(x))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_transforms(name: str) -> None:
    module, x = Applied(FUNCTIONS[name]).eval(), torch.randn(2, 4, 6)
    made = program_module(extract(module, x)).eval()(torch.flip(x, [0]))
    assert torch.allclose(made, module(torch.flip(x, [0])), atol=1e-5)


def test_products_of_complex_values_are_refused_by_name() -> None:
    module = Applied(lambda x: (torch.fft.fft(x) * torch.fft.fft(x)).real)
    with pytest.raises(UnsupportedOperationError, match=r"aten\.mul\.Tensor .* must take real values"):
        extract(module.eval(), torch.randn(2, 4, 6))
