"""Fourier transforms, and copies to places: the same numbers as the module's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nnstruct.extract import extract
from nnstruct.modules.program.module import program_module

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


TURN = torch.polar(torch.ones(4, 3), torch.arange(12.0).reshape(4, 3))
COMPLEX: dict[str, Callable[[Tensor], Tensor]] = {
    "product": lambda x: (torch.fft.fft(x) * torch.fft.fft(x.flip(-1))).real,
    "product with a real one": lambda x: (torch.fft.rfft(x) * x[..., :4].relu()).imag,
    "rotary embedding": lambda x: torch.view_as_real(
        torch.view_as_complex(x.unflatten(-1, (3, 2))) * TURN
    ).flatten(2),
    "sums": lambda x: (torch.fft.fft(x) - torch.fft.fft(x + 1) + 2.0).abs(),
    "polar": lambda x: torch.polar(x.abs(), x).real + torch.complex(x, x * 2).imag,
    "short times": lambda x: torch.stft(
        x[:, 0], 4, hop_length=1, window=torch.hann_window(4), return_complex=True
    ).abs(),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPLEX)
def test_arithmetic_of_complex_values(name: str) -> None:
    torch.manual_seed(0)
    module, x = Applied(COMPLEX[name]).eval(), torch.randn(2, 4, 6)
    torch.testing.assert_close(program_module(extract(module, x))(x), module(x), atol=1e-5, rtol=1e-4)


def test_quotients_of_complex_values_are_those_of_torch() -> None:
    module, x = (
        Applied(lambda x: (torch.fft.fft(x) / (torch.fft.fft(x + 1) + 9)).real).eval(),
        torch.randn(2, 4, 6),
    )
    network = extract(module, x)
    torch.testing.assert_close(program_module(network)(x), module(x), atol=1e-5, rtol=1e-4)
