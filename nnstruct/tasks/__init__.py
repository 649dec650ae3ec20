"""What is learned: tasks as arrays in three splits.

======================  ==========================================================================
name                    task
======================  ==========================================================================
``reber``               strings of the Reber grammar against those of eight look-alike grammars
``reber-embedded``      the embedded Reber grammar, which asks for long memory
``reber-stier2021``     the seed study's own Reber strings, from a data directory
``digits``              handwritten digits of 8 x 8 pixels
======================  ==========================================================================

Examples
--------
A task of one's own is a function that returns a :class:`Task`; once it is registered, recipes and
:func:`load_task` know it by name, and the function's keywords are its options.

>>> import numpy as np
>>> from nnstruct.tasks import TASKS, Task, load_task
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

from nnstruct.tasks.base import SPLIT_NAMES, Split, Task
from nnstruct.tasks.catalogue import TASKS, load_task
from nnstruct.tasks.data import data_directory

__all__ = ["SPLIT_NAMES", "TASKS", "Split", "Task", "data_directory", "load_task"]
