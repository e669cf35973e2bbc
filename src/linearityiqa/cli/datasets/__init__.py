"""`linearityiqa datasets`: databases made, listed, checked, described, split and converted."""

import importlib
from collections.abc import Sequence
from typing import NamedTuple

from linearityiqa.errors import ConfigError, did_you_mean


class Subcommand(NamedTuple):
    """A subcommand: the module whose `main(argv)` carries it out, and what it does in a few words."""

    module: str
    summary: str


SUBCOMMANDS = {
    "make": Subcommand("linearityiqa.cli.datasets.make", "make the built-in synthetic database"),
    "list": Subcommand(
        "linearityiqa.cli.datasets.listing", "the known databases: terms, where to get them, what is here"
    ),
    "check": Subcommand("linearityiqa.cli.datasets.check", "find what is wrong with a database, leaks above all"),
    "stats": Subcommand("linearityiqa.cli.datasets.stats", "histograms of scores, deviations and sizes"),
    "split": Subcommand("linearityiqa.cli.datasets.split", "split by reference, alike in MOS, into a CSV file"),
    "convert": Subcommand(
        "linearityiqa.cli.datasets.convert", "a published layout or info.mat to CSV, CSV to info.mat"
    ),
}

USAGE = """usage: linearityiqa datasets SUBCOMMAND [OPTIONS]

{subcommands}

SUBCOMMAND --help shows its essential options and examples, --help-all explains
all of its options.

examples:
  # what is wrong with your labels and images
  linearityiqa datasets check mos.csv
  # a training, a validation and a test set
  linearityiqa datasets split mos.csv --output split.csv
  # a database to try things on
  linearityiqa datasets make"""


def main(argv: Sequence[str]) -> int:
    """Carry out one subcommand.

    Raises:
        ConfigError: there is no such subcommand.
    """
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, SUBCOMMANDS))
        print(USAGE.format(subcommands="\n".join(f"  {name:<{width}}  {s.summary}" for name, s in SUBCOMMANDS.items())))
        return 0 if argv else 2
    name, *options = argv
    if name not in SUBCOMMANDS:
        hint = did_you_mean(name, SUBCOMMANDS)
        raise ConfigError(f"datasets has no subcommand {name!r}{hint}; known: {', '.join(SUBCOMMANDS)}")
    status: int = importlib.import_module(SUBCOMMANDS[name].module).main(options)
    return status
