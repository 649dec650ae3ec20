"""The CPU engine in C++: the loop of :mod:`nnstruct.population.fused`, compiled by the system's compiler.

The kernel is built at first use with ``CXX``, or the first of c++, g++ and clang++ that is found, and
kept in ``NNSTRUCT_CACHE``, or the user's cache folder; ``NNSTRUCT_NATIVE=0`` switches it off. Without a
compiler the numba engine does the work. The losses of both equal the reference's to 1e-5.

It takes a third to a half of the numba engine's time. What stands in numba's way, by the code that it
makes for AVX-512:

- Its vectors come from loops over lanes whose number is known at run time only, and a unit's sums pass
  through memory between two such loops, once for every four edges. In C++ a row of lanes is an array
  of registers of known size, which holds the sums from the first edge to the activation.
- It has no vector that outlives a loop, so the gradient of each weight is reduced to one number at each
  time step. In C++ each weight has a vector of sums, reduced once a training step.
- One function serves all cells and numbers of gates. Templates unroll the gates, so that a state is
  loaded once for all that read it.
- It offers no reciprocal estimate, no table in a register and no prefetch (the backward pass reads the
  gates against the direction that the hardware foresees).

The order of work is another gain, and not numba's fault: units that need each other's last state form a
block, blocks follow each other and time runs inside, so that what a block works with stays in the nearest
cache over all time steps.

Sparse perceptrons have a loop of their own, :mod:`nnstruct.population.native.perceptron`, which pruning uses.
"""

from __future__ import annotations


def available() -> bool:
    """Whether networks can be trained with it here; the first call compiles the kernel.

    Returns
    -------
    bool
        :func:`unavailable_reason` says why not.
    """
    from nnstruct.population.native.compiler import library

    return library() is not None


def unavailable_reason() -> str:
    """Why it cannot be used here, in a sentence; empty where it can.

    Examples
    --------
    >>> from nnstruct.population import native
    >>> native.available() == (native.unavailable_reason() == "")
    True
    """
    from nnstruct.population.native.compiler import unavailable_reason

    return unavailable_reason()
