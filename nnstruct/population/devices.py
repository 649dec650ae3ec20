"""Where networks are trained."""

from __future__ import annotations

import re

from nnstruct.errors import InvalidInputError


def check_device(device: str) -> str:
    """The name of a device that is there, or :class:`InvalidInputError`."""
    if device == "cpu":
        return device
    import torch

    parts = re.fullmatch(r"cuda(?::(\d+))?", device) if isinstance(device, str) else None
    if not parts:
        raise InvalidInputError("device", "be 'cpu', 'cuda' or 'cuda:' and a number", device)
    if int(parts[1] or 0) >= torch.cuda.device_count():
        rule = f"be one of {torch.cuda.device_count()} GPUs"
        raise InvalidInputError("device", rule, device, "Take device='cpu'.")
    return device
