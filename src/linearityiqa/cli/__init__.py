"""Command line: parse the options, call the package, print the outcome."""

from linearityiqa.cli.main import main

__all__ = ["main"]
