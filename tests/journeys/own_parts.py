"""A prior and a task of one's own, known to every command by --plugin."""

import numpy as np
from pydantic import Field

from nnstruct.priors import PRIORS, Prior
from nnstruct.tasks import TASKS, Task


@PRIORS.register
class LongPath(Prior):
    """A path through all units, each also led to the last one with a probability."""

    name = "long-path"
    units: int = Field(ge=2)
    p: float = Field(ge=0, le=1)

    @property
    def expected_edges(self):
        return self.units - 1 + self.p * (self.units - 2)

    @classmethod
    def parameters_for(cls, units, rng):
        return {"units": units, "p": rng.uniform(0.0, 0.9)}

    def pairs(self, rng):
        path = np.stack([np.arange(self.units - 1), np.arange(1, self.units)])
        more = np.flatnonzero(rng.random(self.units - 2) < self.p)
        return np.concatenate([path, np.stack([more, np.full_like(more, self.units - 1)])], axis=1)


@TASKS.register("half-moon-sum")
def half_moon_sum(*, n: int = 400, seed: int = 0) -> Task:
    """The task ``"half-moon-sum"``: is the sum of six numbers positive?"""
    x = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    return Task.from_arrays("half-moon-sum", x, (x.sum(axis=1) > 0).astype(int), seed=seed)
