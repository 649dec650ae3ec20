"""What the quickstart does, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nnstruct.recipes.dataset import DatasetRecipe
from nnstruct.recipes.sections import SampleSection, SpaceSection, TargetSection, TaskSection
from nnstruct.record import TrainConfig

if TYPE_CHECKING:
    from nnstruct.predictors import Predictor

CONFIG = TrainConfig(epochs=4, batch_size=64, learning_rate=1e-3)


@dataclass(frozen=True)
class Settings:
    """What the quickstart does; chosen so that it takes two minutes on two cores.

    The learning rate is low enough that four epochs do not saturate the task: what a structure is
    worth shows best while the better ones are ahead.
    """

    task: str = "reber"
    task_options: Mapping[str, Any] = field(default_factory=dict)
    family: str = "rnn_tanh"
    units: tuple[int, int] = (10, 40)
    config: TrainConfig = CONFIG
    target: str = "test"
    predictors: tuple[str, ...] = (
        "mean", "bayesian-ridge", "random-forest", "adaboost", "extra-trees", "hist-gradient-boosting",
        "gaussian-process", "gnn",
    )  # fmt: skip
    params: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: {"gnn": {"hidden": 16, "layers": 3, "members": 1, "max_epochs": 30}}
    )
    folds: int = 5
    repeats: int = 2
    test_share: float = 0.2
    generations: int = 3
    per_generation: int = 8

    def recipe(self, structures: int, seeds: int, seed: int) -> DatasetRecipe:
        """The recipe of the benchmark."""
        return DatasetRecipe(
            task=TaskSection(name=self.task, options=dict(self.task_options)),
            space=SpaceSection(families=[self.family], units=list(self.units)),
            sample=SampleSection(count=structures, seed=seed),
            train=self.config,
            seeds={"default": seeds},
            target=TargetSection(name=self.target),
        )

    def make(self, name: str, seed: int) -> Predictor:
        """A predictor, not fitted."""
        from nnstruct.predictors import PREDICTORS

        return PREDICTORS[name](random_state=seed, **self.params.get(name, {}))
