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

    Attributes
    ----------
    task : str
        A name that :func:`nnstruct.load_task` knows.
    task_options : mapping of str to Any
        Its keyword arguments.
    family : str
        Of the structures.
    units : (int, int)
        Fewest and most units of a structure.
    config : TrainConfig
    target : str
        What predictors and search are after: the label of a benchmark.
    predictors : tuple of str
        Names of the predictors that are compared.
    params : mapping of str to mapping
        Keyword arguments of a predictor by its name.
    folds, repeats : int
        Of the cross-validation.
    test_share : float
        Share of the structures that is put aside, between 0 and 1.
    generations, per_generation : int
        Of the search: how often it asks, and for how many structures.
    """

    task: str = "reber"
    task_options: Mapping[str, Any] = field(default_factory=dict)
    family: str = "rnn_tanh"
    units: tuple[int, int] = (10, 40)
    config: TrainConfig = CONFIG
    target: str = "test"
    predictors: tuple[str, ...] = (
        "mean", "bayesian-ridge", "random-forest", "gaussian-process", "auto", "gnn",
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
        """The recipe of the benchmark.

        Parameters
        ----------
        structures : int
            How many to draw.
        seeds : int
            Trainings of each.
        seed : int
            Of the draw.

        Returns
        -------
        DatasetRecipe
        """
        return DatasetRecipe(
            task=TaskSection(name=self.task, options=dict(self.task_options)),
            space=SpaceSection(families=[self.family], units=list(self.units)),
            sample=SampleSection(count=structures, seed=seed),
            train=self.config,
            seeds={"default": seeds},
            target=TargetSection(name=self.target),
        )

    def make(self, name: str, seed: int) -> Predictor:
        """A predictor with the parameters of these settings, not fitted.

        Parameters
        ----------
        name : str
            In :data:`nnstruct.predictors.PREDICTORS`.
        seed : int
            Its ``random_state``.

        Returns
        -------
        Predictor

        Raises
        ------
        UnknownNameError
            If there is no such predictor.
        """
        from nnstruct.predictors import PREDICTORS

        return PREDICTORS[name](random_state=seed, **self.params.get(name, {}))
