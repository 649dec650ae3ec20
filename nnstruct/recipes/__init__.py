"""Recipes: TOML files that say how a benchmark or a predictor is made.

A dataset recipe, ``datasets/<name>/recipe.toml``; all but the first three tables may be left out:

.. code-block:: toml

    [task]
    name = "reber"
    options = { train = 4000 }         # keywords of the task

    [space]
    families = ["rnn_tanh", "gru"]
    units = [10, 40]
    recurrence = "layer"               # max_edges = 400
                                       # of cells (cnn), activations of an mlp's units as well:
                                       # operators = ["conv3x3", "identity"], activations = ["relu"],
                                       # channels = [8, 16], stages = 3, joins = ["concat", "sum"]

    [sample]
    count = 120                        # structures of each family
    priors = ["barabasi-albert", "random-layered"]   # all, if left out
    seed = 0                           # study = "stier2021" draws that study's graphs

    [train]                            # fields of TrainConfig
    epochs = 10
    learning_rate = 3e-3

    [[variants]]                       # train all again with these fields of [train] changed
    protocol = "corrected"

    [seeds]                            # trainings of each structure
    default = 3
    gru = 5

    [target]
    name = "test"

A predictor recipe, ``train/<predictor>-<benchmark>.toml``; the last two tables may be left out:

.. code-block:: toml

    [benchmark]
    path = "../datasets/reber-mini"    # relative to this file
    families = ["rnn_tanh"]            # all, if left out
    target = "test"

    [predictor]
    name = "random-forest"
    params = { n_estimators = 200 }

    [evaluation]
    folds = 5
    repeats = 3
    seed = 0

    [expected]                         # lowest and highest score
    r2 = [0.3, 0.5]
    minutes = 0.5                      # for the reader; not checked
"""

from nnstruct.recipes.dataset import DatasetRecipe, build_dataset, run_dataset_recipe
from nnstruct.recipes.predictor import Check, PredictorRecipe, PredictorRun, run_predictor_recipe
from nnstruct.recipes.reading import read_recipe
from nnstruct.recipes.searching import run_search
from nnstruct.recipes.stored import load_evaluation, save_evaluation

__all__ = [
    "Check",
    "DatasetRecipe",
    "PredictorRecipe",
    "PredictorRun",
    "build_dataset",
    "load_evaluation",
    "read_recipe",
    "run_dataset_recipe",
    "run_predictor_recipe",
    "run_search",
    "save_evaluation",
]
