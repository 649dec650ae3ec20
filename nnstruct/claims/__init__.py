"""Claims of papers as small experiments: what is said, what was measured, and whether it holds.

A claim is a TOML file; what it measures is a study, a function of a seed that is registered in
:data:`STUDIES`:

.. code-block:: toml

    [claim]
    says = "A gradient-flow network is harder to fool than a plain one."
    paper = "Celledoni et al., 2023, arXiv:2210.02373"
    figure = "robust accuracy of 1-Lipschitz networks above that of plain ones"

    [study]
    name = "lipschitz-chain"
    seeds = 5
    options = { epochs = 20 }

    [[holds]]
    measure = "robust_gain"            # its 95% interval over seeds
    above = 0.0                        # lies above (or below) a number

    [expected]
    holds = true                       # what --strict asks for; a claim that failed stays, with false
    minutes = 2
"""

from nnstruct.claims.base import STUDIES, Study
from nnstruct.claims.outcome import ClaimOutcome, claims_page, load_outcome
from nnstruct.claims.recipe import ClaimRecipe, find_claims
from nnstruct.claims.run import run_claim

__all__ = [
    "STUDIES",
    "ClaimOutcome",
    "ClaimRecipe",
    "Study",
    "claims_page",
    "find_claims",
    "load_outcome",
    "run_claim",
]
