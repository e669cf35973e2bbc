"""Entry point: choose the command, and report its failure as one sentence and an exit status."""

import contextlib
import importlib
import logging
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from linearityiqa.cli.commands import COMMANDS, DATASETS, HELP_WORDS, PROGRAMS, Command
from linearityiqa.console import say
from linearityiqa.errors import ConfigError, LinearityIQAError, did_you_mean

TRACEBACK = "--traceback"
"""Option of every command, in any place."""
BROKEN_PIPE_STATUS = 141
"""128 + SIGPIPE."""

INTERRUPTED_STATUS = 130
"""128 + SIGINT."""

HELP = """usage: linearityiqa COMMAND [OPTIONS]

Predicts the quality of photographs without a reference image (Norm-in-Norm
loss, Li et al., ACM MM 2020).

commands:
{commands}

options:
  --version    print the version (also -V)
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

DATASETS_HELP = """usage: linearityiqa datasets SUBCOMMAND [OPTIONS]

{commands}

SUBCOMMAND --help shows its essential options and examples, --help-all explains
all of its options.

examples:
  # what is wrong with your labels and images
  linearityiqa datasets check mos.csv
  # a training, a validation and a test set
  linearityiqa datasets split mos.csv --output split.csv
  # a database to try things on
  linearityiqa datasets make"""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command.

    Args:
        argv: the words after the program's name; by default those of this process.

    Returns:
        The exit status: 0 on success, 2 for a wrong call, 1 for a failed run, 128 + N when stopped by signal N.
    """
    status = carry_out(_dispatch, sys.argv[1:] if argv is None else argv)
    if argv is None and status == INTERRUPTED_STATUS:
        os._exit(status)  # Python would wait for threads that are still decoding
    return status


def _dispatch(words: Sequence[str]) -> int:
    if words[:1] == ["help"] and words[1:]:
        words = [*words[1:], "--help"]
    if not words or words[0] in (*HELP_WORDS, "help"):
        print(_with_list(HELP, COMMANDS))
        return 0 if words else 2
    if words[0] in ("--version", "-V"):
        print(f"linearityiqa {version('linearityiqa')}")
        return 0
    name, *options = words
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS)
        if os.path.lexists(name):
            hint = f" (did you mean linearityiqa score {shlex.join(words)}?)"
        raise ConfigError(f"there is no command {name!r}{hint}; known: {', '.join(COMMANDS)}")
    if name != "train" and "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1":
        # each process would do all of it, into the same files
        raise ConfigError(f"torchrun is for train alone. Start {name} as one process.")
    if name == "completion":
        from linearityiqa.cli.completion import print_script

        return print_script(options)
    if name == "datasets":
        if not options or options[0] in HELP_WORDS:
            print(_with_list(DATASETS_HELP, DATASETS))
            return 0 if options else 2
        subcommand, *options = options
        if subcommand not in DATASETS:
            hint = did_you_mean(subcommand, DATASETS)
            raise ConfigError(f"datasets has no subcommand {subcommand!r}{hint}; known: {', '.join(DATASETS)}")
        name = f"datasets {subcommand}"
    return run_command(f"linearityiqa {name}", options)


def run_command(prog: str, words: Sequence[str], default: Any = None) -> int:
    """Parse the words of a command or a script, and carry it out.

    `prog` is a key of `PROGRAMS`; `default` has the values of options that are not given, instead of the
    configuration's own.
    """
    import linearityiqa.config
    from linearityiqa.cli import parsing

    command = PROGRAMS[prog]
    config = parsing.parse(getattr(linearityiqa.config, command.config), words, prog=prog, default=default)
    module, _, function = command.function.partition(".")
    status: int = getattr(importlib.import_module(f"linearityiqa.cli.{module}"), function)(config)
    return status


def run_script(prog: str) -> int:
    """Carry out one of the paper's scripts: our command under its name, with its defaults and this process's words."""
    from linearityiqa.config import RunConfig, ScoreConfig, TestConfig, TrainConfig

    results = Path("results")
    checkpoint = Path("checkpoints/p1q2.pth")
    defaults = {
        "main.py": TrainConfig(run=RunConfig(npy_dir=results)),
        "test_dataset.py": TestConfig(npy_dir=results),
        "test_demo.py": ScoreConfig(img_path=Path("data/1000.JPG"), trained_model_file=checkpoint),
    }
    return carry_out(lambda words: run_command(prog, words, defaults[prog]), sys.argv[1:])


def carry_out(function: Callable[[list[str]], int], argv: Sequence[str]) -> int:
    """Call `function(argv)`, and turn its failure into one sentence on standard error and an exit status.

    The status is 141, as a shell reports it of other tools, where the reader of the output has gone.
    """
    # a stream that the caller has closed is None: its descriptor would be that of the next file, and messages to
    # standard error would go to standard output
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    try:
        try:
            return _status_of(function, argv)
        finally:  # also after SystemExit, by which help ends
            sys.stdout.flush()
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:  # Python would report it again when it flushes at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return BROKEN_PIPE_STATUS


def _status_of(function: Callable[[list[str]], int], argv: Sequence[str]) -> int:
    options = [word for word in argv if word != TRACEBACK]
    _show_notices()
    try:
        return function(options)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED_STATUS
    except BrokenPipeError:
        raise
    except (LinearityIQAError, OSError) as failure:
        if len(options) < len(argv):
            say(*traceback.format_exc().splitlines(), file=sys.stderr)
        if isinstance(failure, LinearityIQAError):
            say(f"error{_process_prefix()}: {failure}", file=sys.stderr)
            return failure.exit_status
        say(f"error: {failure}. Check that the path exists, is yours, and that the disk has room.", file=sys.stderr)
        return 1


def _with_list(text: str, commands: Mapping[str, Command]) -> str:
    """Return the text with the list of commands filled in."""
    width = max(map(len, commands))
    return text.format(commands="\n".join(f"  {name:<{width}}  {c.summary}" for name, c in commands.items()))


def _process_prefix() -> str:
    """Return the name of this process where torchrun has started several."""
    size = os.environ.get("WORLD_SIZE", "1")
    return "" if size == "1" else f" (process {os.environ.get('RANK')} of {size})"


def _show_notices() -> None:
    """Send the package's notices to standard error, one line each."""
    logger = logging.getLogger("linearityiqa")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [_NoticeHandler()]


class _NoticeHandler(logging.Handler):
    """Write to the present `sys.stderr`: a progress bar replaces it, to print lines above the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        with contextlib.suppress(OSError):  # the reader of notices has gone: no reason to end the work
            say(prefix + record.getMessage(), file=sys.stderr)
