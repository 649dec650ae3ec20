"""Values of a program as linear forms in the units of a family: what a search for a family walks with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

CONSTANT = -1
# Roles of axes: examples, units, time steps, positions of a map, and those of length 1.
BATCH, UNITS, TIME, PLACE, ONE = "B", "U", "T", "P", "1"


class NoFamilyError(Exception):
    """A program does something that no family's networks do."""


@dataclass(frozen=True)
class Term:
    """Weights from some atoms to some rows of a form.

    Attributes
    ----------
    rows : int64 [r]
    atoms : int64 [a]
        Inputs of the network and units, numbered together.
    weight : float64 [r, a, k]
        k kernel positions.
    """

    rows: np.ndarray
    atoms: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Form:
    """What stands along the axis of units: atoms with a factor each, or weighted sums of atoms.

    Attributes
    ----------
    atom : int64 [R], or None
        For each row its atom, :data:`CONSTANT` for a constant; None for sums.
    scale, shift : float64 [R]
    terms : tuple of Term
        Of sums.
    stage : int
        How often the maps have been halved.
    kernel : int
        Side of the kernels of sums; 0 where there are none.
    reduced : bool
        Whether a value is one a map, or of the last time step only.
    norm : (float64 [R], float64 [R]) or None
        Scale and shift of a layer normalisation that follows the sums.
    own : float64 [R, R, k] or None
        A kernel that acts on the sums, before the shift.
    """

    scale: np.ndarray
    shift: np.ndarray
    atom: np.ndarray | None = None
    terms: tuple[Term, ...] = ()
    stage: int = 0
    kernel: int = 0
    reduced: bool = False
    norm: tuple[np.ndarray, np.ndarray] | None = field(default=None)
    own: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """How many values there are."""
        return len(self.shift)

    @property
    def is_constant(self) -> bool:
        """Whether no atom is read."""
        if self.atom is None:
            return not self.terms and self.own is None
        return bool((self.atom == CONSTANT).all())

    def plain_atoms(self) -> Form:
        """The form where it is atoms and no sums.

        Returns
        -------
        Form

        Raises
        ------
        NoFamilyError
            If it holds sums: a linear map after another has no unit between them.
        """
        if self.atom is None and self.terms:
            raise NoFamilyError("a linear step reads another one")
        return atoms_of(np.full(self.rows, CONSTANT), like=self) if self.atom is None else self


def atoms_of(atom: np.ndarray, like: Form | None = None, **known: Any) -> Form:
    """A form of atoms as they are.

    Parameters
    ----------
    atom : int64 [R]
    like : Form, optional
        Its shift is taken, for constants.
    **known
        Other fields.

    Returns
    -------
    Form
    """
    shift = np.zeros(len(atom)) if like is None else like.shift
    return Form(np.ones(len(atom)), shift, atom, **known)


def taken(form: Form, index: np.ndarray) -> Form:
    """Some rows of a form.

    Parameters
    ----------
    form : Form
    index : int64 [n]
        In the order of the new rows.

    Returns
    -------
    Form

    Raises
    ------
    NoFamilyError
        If a part of a normalised layer is taken.
    """
    index = np.asarray(index, dtype=np.int64)
    _without_own(form)
    norm = None if form.norm is None else (form.norm[0][index], form.norm[1][index])
    if norm is not None and sorted(index.tolist()) != list(range(form.rows)):
        raise NoFamilyError("a part of a normalised layer is read")
    if form.atom is not None:
        return replace(form, scale=form.scale[index], shift=form.shift[index], atom=form.atom[index])
    terms = []
    for term in form.terms:
        place = np.full(form.rows, -1)
        place[term.rows] = np.arange(len(term.rows))
        found = place[index]
        rows = np.flatnonzero(found >= 0)
        if len(rows):
            terms.append(Term(rows, term.atoms, term.weight[found[rows]]))
    return replace(form, scale=form.scale[index], shift=form.shift[index], terms=tuple(terms), norm=norm)


def concatenated(forms: Sequence[Form]) -> Form:
    """Forms one after the other.

    Parameters
    ----------
    forms : sequence of Form

    Returns
    -------
    Form

    Raises
    ------
    NoFamilyError
        If units and sums, or maps of different resolutions, stand side by side.
    """
    forms = [form for form in forms if form.rows] or list(forms[:1])
    if len(forms) == 1:
        return forms[0]
    for form in forms:
        _without_own(form)
    if any(form.norm is not None for form in forms):
        raise NoFamilyError("a normalised layer is joined before its activation")
    fields = _common(forms)
    shift = np.concatenate([form.shift for form in forms])
    scale = np.concatenate([form.scale for form in forms])
    if all(form.atom is not None or form.is_constant for form in forms):
        atom = [np.full(f.rows, CONSTANT) if f.atom is None else f.atom for f in forms]
        return Form(scale, shift, np.concatenate(atom), **fields)
    terms, start = [], 0
    for form in forms:
        if form.atom is not None and not form.is_constant:
            raise NoFamilyError("units and sums stand side by side")
        terms += [replace(term, rows=term.rows + start) for term in form.terms]
        start += form.rows
    return Form(scale, shift, None, tuple(terms), **fields)


def added(left: Form, right: Form, sign: float = 1.0) -> Form:
    """The sum of two forms.

    Parameters
    ----------
    left, right : Form
        Of as many rows.
    sign : float
        What the right one is multiplied by.

    Returns
    -------
    Form

    Raises
    ------
    NoFamilyError
        If units are added that no weight is on, or maps of different resolutions.
    """
    for one, other in ((left, right), (right, left)):
        if one.is_constant and other.norm is None:
            a, b = left.shift, sign * right.shift
            if other is right and sign != 1.0:
                other = scaled(other, np.full(other.rows, sign))
            return replace(other, shift=a + b)
    _without_own(left)
    _without_own(right)
    if left.norm is not None or right.norm is not None:
        raise NoFamilyError("a normalised layer is added to another")
    if left.atom is not None or right.atom is not None:
        raise NoFamilyError("units are added without weights")
    terms = tuple(replace(term, weight=sign * term.weight) for term in right.terms)
    fields = _common([left, right])
    return Form(left.scale, left.shift + sign * right.shift, None, (*left.terms, *terms), **fields)


def scaled(form: Form, factor: np.ndarray) -> Form:
    """A form times a number for each row.

    Parameters
    ----------
    form : Form
    factor : float64 [R]

    Returns
    -------
    Form
    """
    if form.norm is not None:
        return replace(form, norm=(form.norm[0] * factor, form.norm[1] * factor))
    if form.own is not None:
        return replace(form, own=form.own * factor[:, None, None], shift=form.shift * factor)
    if form.atom is not None:
        return replace(form, scale=form.scale * factor, shift=form.shift * factor)
    terms = tuple(replace(t, weight=t.weight * factor[t.rows][:, None, None]) for t in form.terms)
    return replace(form, shift=form.shift * factor, terms=terms)


def shifted(form: Form, amount: np.ndarray) -> Form:
    """A form plus a number for each row.

    Parameters
    ----------
    form : Form
    amount : float64 [R]

    Returns
    -------
    Form
    """
    if form.norm is not None:
        return replace(form, norm=(form.norm[0], form.norm[1] + amount))
    return replace(form, shift=form.shift + amount)


def weighted(form: Form, weight: np.ndarray, bias: np.ndarray | None, **fields: Any) -> Form:
    """Weighted sums of atoms.

    Parameters
    ----------
    form : Form
        Of atoms.
    weight : float array [O, R, k]
    bias : float array [O], optional
    **fields
        What else the new form has: ``stage``, ``kernel``, ``reduced``.

    Returns
    -------
    Form

    Raises
    ------
    NoFamilyError
        If the form holds sums, or a kernel would read shifted maps beyond their border.
    """
    form = form.plain_atoms()
    assert form.atom is not None
    weight = weight.astype(np.float64)
    known = form.atom != CONSTANT
    if weight.shape[2] > 1 and form.shift.any():
        raise NoFamilyError("a padded convolution reads shifted maps")
    shift = weight.sum(axis=2) @ form.shift
    if bias is not None:
        shift = shift + bias
    kept = (weight * form.scale[None, :, None])[:, known]
    terms = (Term(np.arange(len(weight)), form.atom[known], kept),) if known.any() else ()
    return Form(np.ones(len(weight)), shift, None, terms, **fields)


def reduced(form: Form) -> Form:
    """The mean of each unit over its whole map.

    Parameters
    ----------
    form : Form

    Returns
    -------
    Form

    Raises
    ------
    NoFamilyError
        If it holds sums, or means already.
    """
    if form.atom is None or form.reduced:
        raise NoFamilyError("a mean is taken of what is no unit")
    return replace(form, reduced=True, stage=0)


def _without_own(form: Form) -> None:
    if form.own is not None:
        raise NoFamilyError("a convolution of a sum is read before its activation")


def _common(forms: Sequence[Form]) -> dict[str, Any]:
    """Stage, kernel and reduction that all forms with atoms have."""
    read = [form for form in forms if not form.is_constant] or list(forms)
    found = {(form.stage, form.kernel, form.reduced) for form in read}
    if len(found) > 1:
        raise NoFamilyError("values of different resolutions or kernels are joined")
    stage, kernel, reduced = found.pop()
    return {"stage": stage, "kernel": kernel, "reduced": reduced}


def reshaped_roles(roles: tuple[str, ...], old: tuple[int, ...], new: tuple[int, ...]) -> tuple[str, ...]:
    """The roles of a value's axes in another shape.

    Parameters
    ----------
    roles : tuple of str
    old, new : tuple of int
        Shapes of as many elements.

    Returns
    -------
    tuple of str
        A role for each new axis.

    Raises
    ------
    NoFamilyError
        If axes of different roles are joined, or one is divided.
    """
    found: list[str] = []
    i = j = 0
    while i < len(old) or j < len(new):
        first, second, start, target = 1, 1, i, j
        while True:
            if i < len(old) and (first <= second or j == len(new)):
                first, i = first * old[i], i + 1
            elif j < len(new):
                second, j = second * new[j], j + 1
            else:
                break
            took, gave = i > start or i == len(old), j > target or j == len(new)
            if first == second and took and gave:
                break
        kinds = {role for role, size in zip(roles[start:i], old[start:i], strict=True) if role != ONE}
        if len(kinds) > 1 or (kinds and j == target):
            raise NoFamilyError("axes of different roles are joined")
        role = kinds.pop() if kinds else ONE
        wide = [place for place in range(target, j) if new[place] > 1]
        if len(wide) > 1 and role != PLACE:
            raise NoFamilyError("an axis is divided")
        chosen = wide[0] if wide else target
        found += [
            role if place == chosen or (role == PLACE and place in wide) else ONE
            for place in range(target, j)
        ]
    return tuple(found)
