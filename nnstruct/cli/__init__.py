"""The command line ``nnstruct``. Each command imports what it needs when it runs, so that help is quick."""

from nnstruct.cli.app import app, main

__all__ = ["app", "main"]
