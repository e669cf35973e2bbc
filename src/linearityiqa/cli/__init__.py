"""The command line: it parses, calls one function, prints; nothing else."""

from linearityiqa.cli.main import main

__all__ = ["main"]
