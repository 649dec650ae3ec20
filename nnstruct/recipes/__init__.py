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
    seeds = 2                          # those of [seeds], if left out

    [seeds]                            # trainings of each structure
    default = 3
    gru = 5

    [target]
    name = "test"

    [pruning]                          # each structure is trained, then pruned step by step; its records
    densities = [0.5, 0.25, 0.1]       # are those of all steps, and trajectories.parquet has the scores
    methods = ["magnitude-class-blind", "random"]   # before re-training too
    each = 1                           # methods a structure, in turn; all, if left out
    schedule = "iterative"
    retrain = 5                        # epochs; those of [train], if left out

A line ``executor = "tcp://scheduler:8786"`` above the tables names who trains, as
:func:`nnstruct.executors.open_executor` takes it. With ``[pruning]``, ``[[variants]]`` train the structures
of all steps from fresh weights.

A predictor recipe, ``train/<predictor>-<benchmark>.toml``; the last two tables may be left out:

.. code-block:: toml

    [benchmark]
    path = "../datasets/reber-mini"    # relative to this file
    families = ["rnn_tanh"]            # all, if left out
    target = "test"

    [predictor]
    name = "random-forest"
    params = { n_estimators = 200 }
    save = true                        # fit it to everything and save it

    [evaluation]
    folds = 5
    repeats = 3
    protocol = "unseen"                # or no-twins
    k = 10                             # of precision@k, N@k and regret@k
    seed = 0

    [expected]                         # lowest and highest score
    r2 = [0.3, 0.5]
    minutes = 0.5                      # for the reader; not checked

On a published table (:mod:`nnstruct.tables`), by numbers of labels:

.. code-block:: toml

    [benchmark]
    table = "nasbench201"
    file = "nasbench201.csv.gz"        # in the folder that NNSTRUCT_TABLES or --tables names; or a path
    task = "cifar100"                  # the table's first, if left out
    twins = "keep"                     # or merge, the default

    [evaluation]
    train_sizes = [78, 0.01]           # counts, or shares with a point
    protocol = ["unseen", "no-twins", "all-rows"]
    draws = 10

    [expected.sizes.78]                # means over draws, by number of labels
    kendall = [0.80, 0.86]             # of the first protocol
    no-twins = { kendall = [0.78, 0.84], r2 = [0.6, 1.0] }

A pruning recipe, ``train/prune-<network>-<task>.toml``; the last four tables may be left out:

.. code-block:: toml

    [task]
    name = "mnist"

    [network]
    start = "lenet-300-100"            # or mlp:100, cnn:16-32, gru:50-50-50, ...

    [pruning]
    densities = [0.5, 0.2, 0.05]       # shares of the weights to keep
    seeds = 5
    schedule = "iterative"             # or one-shot, gradual, rewind
    structures = false                 # whether trajectories hold the structure of each step

    [methods]                          # by label; the method is the label where none is named
    random = {}
    magnitude-class-blind = { retrain = 5 }
    fresh = { method = "magnitude-class-blind", pretrain = 0, schedule = "one-shot" }
    learned = { method = "gumbel-softmax", densities = [0.05], options = { search = 0.6 }, finish = 10 }
    decayed = { method = "random", train = { optimizer = "adamw", weight_decay = 0.1 } }
                                       # also retrain_rate, patience, rewind_epoch, prune_share, part

    [train]                            # fields of TrainConfig
    epochs = 10

    [retrain]                          # after each pruning
    epochs = 5                         # or one number for each density
    learning_rate = 0.003
    patience = 3

    [[compare]]                        # a paired test at each density
    first = "magnitude-class-blind"
    second = "random"
    densities = [0.05]                 # all, if left out

    [expected]                         # by label and density, of means over seeds
    "magnitude-class-blind@0.2" = { after = [0.98, 1.0], above_dense = true }
    "random@0.05" = { significantly_below = ["magnitude-class-blind"] }

A search recipe, ``train/search-<task>.toml``; the last seven tables may be left out:

.. code-block:: toml

    [task]
    name = "fashion-mnist"
    options = { train = 10000 }

    [space]                            # as in a dataset recipe, with one family
    families = ["cnn"]
    units = [4, 12]

    [guide]
    name = "grouped-gp"                # or none; params = { ... }; or saved = "../runs/predictor"

    [known]                            # told before the search: a [benchmark] of a predictor recipe
    path = "../datasets/fashion-cnn"

    [[start]]                          # asked first: a structure of your own, as often as you like
    edges = [[0, 1], [1, 2], [0, 3], [2, 3]]
    units = { channels = 8, operator = ["conv3x3", "conv3x3", "conv3x3", "identity"], join = "sum" }

    [search]
    generations = 10
    per_generation = 16
    seeds = 1                          # trainings of each structure
    target = "val_last"
    params = { objectives = ["val", "parameters"], max_parameters = 200000, seed = 0 }  # of Search

    [rungs]                            # brief trainings first; parameters of Rungs
    fidelities = [0.111, 0.333, 1.0]   # shares of a full training; generations * per_generation counts those
    reduction = 3                      # brackets = 1, promotion = "score" or "belief"
    lower = "epochs"                   # what they have less of: epochs, examples or both

    [train]                            # fields of TrainConfig
    epochs = 3

    [finish]                           # the finalists, trained again by new seeds
    top = 5
    seeds = 3
    train = { epochs = 20 }            # fields of [train] changed for them
    task = { train = 50000 }           # options of the task changed for them

    [expected]
    winner = [0.88, 1.0]               # mean test score; also claimed and believed
"""

from nnstruct.recipes.dataset import DatasetRecipe, build_dataset, run_dataset_recipe
from nnstruct.recipes.estimate import Estimate, estimate_search
from nnstruct.recipes.expected import Check
from nnstruct.recipes.predictor import PredictorRecipe, PredictorRun, run_predictor_recipe
from nnstruct.recipes.pruned import PrunedSection
from nnstruct.recipes.pruning import PruningRecipe
from nnstruct.recipes.pruning_run import Claim, PruningRun, run_pruning_recipe
from nnstruct.recipes.reading import read_recipe
from nnstruct.recipes.search_recipe import SearchRecipe, SearchRun, run_search_recipe
from nnstruct.recipes.searching import finish_search, run_search, save_search
from nnstruct.recipes.stored import load_evaluation, save_evaluation

__all__ = [
    "Check",
    "Claim",
    "DatasetRecipe",
    "Estimate",
    "PredictorRecipe",
    "PredictorRun",
    "PrunedSection",
    "PruningRecipe",
    "PruningRun",
    "SearchRecipe",
    "SearchRun",
    "build_dataset",
    "estimate_search",
    "finish_search",
    "load_evaluation",
    "read_recipe",
    "run_dataset_recipe",
    "run_predictor_recipe",
    "run_pruning_recipe",
    "run_search",
    "run_search_recipe",
    "save_evaluation",
    "save_search",
]
