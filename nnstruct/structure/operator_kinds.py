"""What kind of operator a name stands for: names differ between search spaces, kinds do not."""

from __future__ import annotations

from functools import lru_cache

# Kind, and what a name of it holds. The first that fits counts: "maxpool3x3" is a pool, "skip_conv" a conv.
OPERATOR_KINDS: dict[str, tuple[str, ...]] = {
    "conv": ("conv",),
    "pool": ("pool",),
    "skip": ("skip", "identity", "residual"),
    "zero": ("zero", "none"),
}
# Whole names of operators that pass on what they are given as it is.
IDENTITIES = ("identity", "skip", "skip_connect", "residual")


@lru_cache(maxsize=4096)
def operator_kind(operator: str) -> str | None:
    """The kind of an operator by its name, in any case of letters.

    Parameters
    ----------
    operator : str

    Returns
    -------
    {"conv", "pool", "skip", "zero"} or None

    Examples
    --------
    >>> from nnstruct.structure.operator_kinds import operator_kind
    >>> operator_kind("nor_conv_3x3"), operator_kind("none"), operator_kind("gelu")
    ('conv', 'zero', None)
    """
    name = operator.lower()
    for kind, fragments in OPERATOR_KINDS.items():
        if any(fragment in name for fragment in fragments):
            return kind
    return None


def is_identity(operator: str) -> bool:
    """Whether an operator is, by its whole name, one of :data:`IDENTITIES`.

    Parameters
    ----------
    operator : str

    Returns
    -------
    bool

    Examples
    --------
    >>> from nnstruct.structure.operator_kinds import is_identity
    >>> is_identity("skip_connect"), is_identity("residual_block")
    (True, False)
    """
    return operator.lower() in IDENTITIES
