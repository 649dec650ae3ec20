"""What is learned: tasks as arrays in three splits."""

from nnstruct.tasks.base import Split, Task

__all__ = ["Split", "Task"]
