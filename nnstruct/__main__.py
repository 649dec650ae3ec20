"""``python -m nnstruct`` is the command ``nnstruct``."""

from nnstruct.cli.app import main

if __name__ == "__main__":
    main()
