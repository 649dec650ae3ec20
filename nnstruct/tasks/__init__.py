"""What is learned: tasks as arrays in three splits.

======================  ==========================================================================
sequences of symbols    task
======================  ==========================================================================
``reber``               strings of the Reber grammar against those of eight look-alike grammars
``reber-embedded``      the embedded Reber grammar, which asks for long memory
``reber-stier2021``     the seed study's own Reber strings, from a data directory
``reber-next``          the next symbol in a string of the Reber grammar
``anbncn``              the next symbol in ``a^n b^n c^n``, which asks for counting
``dyck-2``              brackets of two kinds that close or not
``parity``              whether the number of ones so far is odd, at every step
``copy``                say a string again after a delay, a class a step
``delayed-xor``         the exclusive or of two bits of a while ago, at every step
======================  ==========================================================================

======================  ==========================================================================
series of real values   task
======================  ==========================================================================
``adding``              the sum of two marked values, regression
``narma-10``            the output of a nonlinear system with memory, regression
``mackey-glass``        the future of a chaotic system, regression
``multi-sine``          which two tones sound together
``digits-rows``         handwritten digits of 8 x 8 pixels, row by row
``mnist-rows``          handwritten digits of 28 x 28 pixels, row by row, from a data directory
======================  ==========================================================================

======================  ==========================================================================
vectors and images      task
======================  ==========================================================================
``digits``              handwritten digits of 8 x 8 pixels
``shapes``              drawn shapes of 16 x 16 pixels, as hard as one likes
``mnist``               handwritten digits of 28 x 28 pixels, from a data directory
``fashion-mnist``       articles of clothing of 28 x 28 pixels, from a data directory
``cifar10``             colour images of 32 x 32 pixels, from a data directory
``two-spirals``         points on two spirals that wind into each other
``teacher``             what a random network of known structure says, regression
``iris``                three kinds of iris, by four lengths
``wine``                three growers of wine, by 13 measures
``breast-cancer``       benign or malignant tumours, by 30 measures
``diabetes``            how far a disease goes, by ten measures, regression
======================  ==========================================================================

The docstring of each says what chance and an LSTM of 64 units reach; that one was trained once by Adam with
a learning rate of 0.005, falling to 0, in batches of 64 (32 for ``anbncn``), its gradients clipped at 1.

The data directory is the one that the option ``data`` or the environment variable ``NNSTRUCT_DATA``
names. Images can be downloaded into it with ``download=True``; see :mod:`nnstruct.tasks.images`.
An option ``train``, ``val`` or ``test`` is a number of examples, or below 1 a share of them.

Examples
--------
Own data become a task in one line: :meth:`Task.from_arrays` takes vectors or images,
:meth:`Task.from_sequences` strings, :meth:`Task.from_series` series of real values,
:meth:`Task.from_dataframe` a data frame, :meth:`Task.from_dataset` a torch Dataset, and
:meth:`Task.from_splits` data that are already split. ``kind`` says what is asked: classes, real targets, a
class a step, or the next symbol; see :mod:`nnstruct.tasks.goals` and :mod:`nnstruct.tasks.metrics`.

>>> import numpy as np
>>> from nnstruct.tasks import Task
>>> x = np.random.default_rng(0).normal(size=(200, 5))
>>> Task.from_arrays("sign", x, (x.sum(axis=1) > 0).astype(int))
Task('sign', 140/30/30 train/val/test, inputs [5], 2 classes)

A forecast of a time series of one's own, by recurrent networks of two structures: windows of ten values,
split in time, and the value that follows.

>>> import torch
>>> import nnstruct as ns
>>> values = 50 + 10 * np.sin(np.arange(700) / 4) + np.random.default_rng(0).normal(size=700)
>>> windows = np.lib.stride_tricks.sliding_window_view(values, 11)
>>> parts = [(part[:, :10], part[:, 10]) for part in (windows[:320], windows[330:400], windows[410:])]
>>> task = Task.from_splits("load", *parts, kind="regression", series=True)
>>> task
Task('load', 320/70/280 train/val/test, series [10, 1], 1 real targets)
>>> structures = [ns.Structure.from_layers(sizes, family="rnn_tanh") for sizes in ([8], [4, 4])]
>>> config = ns.TrainConfig(epochs=4, batch_size=32, learning_rate=0.03)
>>> bench = ns.build(task, structures, config=config, workers=1)
>>> bool(bench.y.max() > 0.8)  # R2 on the test windows
True
>>> network, record = ns.population.train_network(structures[0], task, config=config)
>>> module = ns.modules.module_from_network(network)
>>> forecast = module(*(torch.tensor(array[:1]) for array in (task.test.inputs, task.test.lengths)))
>>> float(abs(task.in_units(forecast.detach().numpy()) - parts[2][1][0])[0, 0]) < 10
True

A task of one's own is a function that returns a :class:`Task`; once it is registered, recipes and
:func:`load_task` know it by name, and the function's keywords are its options.

>>> from nnstruct.tasks import TASKS, load_task
>>> @TASKS.register("balanced-brackets")
... def balanced_brackets(*, n=600, length=8, seed=0):
...     '''Do all brackets of a string close?'''
...     rng = np.random.default_rng(seed)
...     strings = ["".join(rng.permutation(list("()" * (length // 2)))) for _ in range(n)]
...     def closes(string):
...         depth = np.cumsum([1 if sign == "(" else -1 for sign in string])
...         return int(depth.min() >= 0)
...     return Task.from_sequences("balanced-brackets", strings, [closes(s) for s in strings], seed=seed)
>>> task = load_task("balanced-brackets", n=900)
>>> task.num_symbols, task.num_classes, task.input_shape
(3, 2, (8,))
"""

from __future__ import annotations

from nnstruct.tasks.base import Task
from nnstruct.tasks.catalogue import TASKS, load_task
from nnstruct.tasks.data import data_directory
from nnstruct.tasks.goals import KINDS, Goal
from nnstruct.tasks.metrics import Metric
from nnstruct.tasks.splits import SPLIT_NAMES, Split

__all__ = [
    "KINDS",
    "SPLIT_NAMES",
    "TASKS",
    "Goal",
    "Metric",
    "Split",
    "Task",
    "data_directory",
    "load_task",
]
