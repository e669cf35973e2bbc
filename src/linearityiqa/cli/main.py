"""From the words of a command line to one function, and from its failure to one sentence."""

import contextlib
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NamedTuple, TextIO

from linearityiqa.errors import LinearityIQAError, did_you_mean

TRACEBACK = "--traceback"
"""Option of every command, anywhere on its line."""
BROKEN_PIPE_STATUS = 141
"""128 + SIGPIPE."""


class Command(NamedTuple):
    """A command: the module whose `main(argv)` carries it out, what it does, and whether processes can share it."""

    module: str
    summary: str
    for_torchrun: bool = False


COMMANDS = {
    "demo": Command("linearityiqa.cli.demo", "the whole story in minutes: make data, train, test, plot, score"),
    "train": Command("linearityiqa.cli.train", "train a model on a database; goes on by itself after a stop", True),
    "test": Command("linearityiqa.cli.test", "test model files on a split of any database"),
    "crossval": Command("linearityiqa.cli.crossval", "train and test on several random splits by reference"),
    "metrics": Command("linearityiqa.cli.metrics", "judge predictions of any method, and compare several"),
    "score": Command("linearityiqa.cli.score", "score photographs"),
    "serve": Command("linearityiqa.cli.serve", "score photographs over HTTP, with a web page"),
    "reproduce": Command("linearityiqa.cli.reproduce", "the paper's figures and tables, trained or from results"),
    "export": Command("linearityiqa.cli.export", "a trained model as ONNX, in float32 or 8 bits; runs without torch"),
    "datasets": Command("linearityiqa.cli.datasets", "databases made, listed, checked, split, converted"),
    "runs": Command("linearityiqa.cli.runs", "the runs in a folder: how far each is, and its figures"),
    "completion": Command("linearityiqa.cli.completion", "completion of commands and options in bash, zsh or fish"),
}

HELP = """usage: linearityiqa COMMAND [OPTIONS]

Predicts the quality of photographs without a reference image (Norm-in-Norm
loss, Li et al., ACM MM 2020).

commands:
{commands}

options:
  --version    print the version
  --traceback  on a failure, also print the traceback (before or after COMMAND)
  COMMAND --help shows the essential options and examples of a command,
  COMMAND --help-all explains all of its options

examples:
  # score the photographs in a folder, with the model in the package
  linearityiqa score photos/
  # make data, train, test and plot, in minutes
  linearityiqa demo
  # train on your own photographs and opinion scores
  linearityiqa train mos.csv --init bundled"""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command.

    Args:
        argv: the words after the program's name; by default those of this process.

    Returns:
        The exit status: 0 on success, 2 for a wrong call, 1 for a failed run, 128 + N when stopped by signal N.
    """
    return until_the_reader_leaves(lambda: _dispatch(sys.argv[1:] if argv is None else argv))


def _dispatch(argv: Sequence[str]) -> int:
    """Carry out one command, or say what there is."""
    words = [word for word in argv if word != TRACEBACK]
    if not words or words[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"linearityiqa {version('linearityiqa')}")
        return 0
    name, *options = words
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS)
        print(f"error: there is no command {name!r}{hint}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    if len(words) < len(argv):
        options.append(TRACEBACK)
    if _is_one_of_several() and not COMMANDS[name].for_torchrun:
        # each process would do all of it, into the same files
        print(f"error{_speaker()}: torchrun is for train alone. Start {name} as one process.", file=sys.stderr)
        return 2
    return carry_out(lambda words: importlib.import_module(COMMANDS[name].module).main(words), options)


def carry_out(function: Callable[[list[str]], int], argv: Sequence[str]) -> int:
    """Call `function(argv)` and turn its failure into one sentence on standard error and an exit status."""
    return until_the_reader_leaves(lambda: _carry_out(function, argv))


def until_the_reader_leaves(function: Callable[[], int]) -> int:
    """The status of `function()`; 141, as a shell has it of other tools, where nobody reads its output to the end."""
    try:
        try:
            status = function()
        except SystemExit:  # tyro's way to end after --help or a wrong call
            _flush()
            raise
        _flush()
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            try:
                _flush(stream)
            except BrokenPipeError:  # what is left would make Python complain once more when it flushes at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return BROKEN_PIPE_STATUS
    return status


def _flush(stream: TextIO | None = None) -> None:
    stream = stream or sys.stdout
    if stream is not None:  # as it is where the caller has closed it
        stream.flush()


def _carry_out(function: Callable[[list[str]], int], argv: Sequence[str]) -> int:
    options = [word for word in argv if word != TRACEBACK]
    _show_notices()
    try:
        return function(options)
    except LinearityIQAError as failure:
        if len(options) < len(argv):
            traceback.print_exc()
        print(f"error{_speaker()}: {failure}", file=sys.stderr)
        return failure.exit_status
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except OSError as failure:
        if len(options) < len(argv):
            traceback.print_exc()
        print(f"error: {failure}. Check that the path exists, is yours, and that the disk has room.", file=sys.stderr)
        return 1


def help_text() -> str:
    """What `linearityiqa --help` prints."""
    width = max(map(len, COMMANDS))
    return HELP.format(commands="\n".join(f"  {name:<{width}}  {c.summary}" for name, c in COMMANDS.items()))


def _is_one_of_several() -> bool:
    """Whether torchrun has started this process and others."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"


def _speaker() -> str:
    """Which of the processes that torchrun has started speaks."""
    size = os.environ.get("WORLD_SIZE", "1")
    return "" if size == "1" else f" (process {os.environ.get('RANK')} of {size})"


def _show_notices() -> None:
    """Notices of the package go to standard error, one line each."""
    logger = logging.getLogger("linearityiqa")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [_NoticeHandler()]


class _NoticeHandler(logging.Handler):
    """Writes to what is standard error at the time: a progress bar takes its place, and lets lines pass above it."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        with contextlib.suppress(OSError):  # nobody reads notices any more: no reason to end the work
            print(prefix + record.getMessage(), file=sys.stderr, flush=True)
