"""Command lines from the configuration dataclasses."""

import re
import tomllib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import tyro

from linearityiqa.cli.help import HELP_WORDS, help_page, takes_databases
from linearityiqa.config import TrainConfig, from_dict, with_recipe
from linearityiqa.config.options import Option, options_of
from linearityiqa.errors import ConfigError, did_you_mean

T = TypeVar("T")
MAX_CONFIG_BYTES = 1_000_000
LIST_OPTIONS = "--list-options"
"""What makes a command raise its options instead of doing its work."""


class OptionsListed(Exception):  # noqa: N818 - an answer, no fault
    """The options of a command, for the completion of command lines."""

    def __init__(self, options: list[Option]) -> None:
        super().__init__()
        self.options = options


def parse(cls: type[T], argv: Sequence[str], *, prog: str, description: str, default: T | None = None) -> T:
    """The configuration that a command line describes.

    Options are the fields of `cls` and of the dataclasses inside it, without prefixes; a wrong value ends the process
    with status 2 and a sentence that names it. A command that has a database also takes it as a word without option.

    Args:
        cls: a configuration dataclass.
        argv: the words after the command.
        prog: the command, for messages.
        description: what it does, for its help.
        default: values of the options that are not given, instead of the dataclass's own.

    Raises:
        ConfigError: an option that does not exist, or values that do not go together.
    """
    call = cls() if default is None else default
    options = list(options_of(call))
    if argv[:1] == [LIST_OPTIONS]:
        raise OptionsListed(options)
    if wanted := next((word for word in argv if word in HELP_WORDS), None):
        print(help_page(prog, description, call, options, everything=wanted in HELP_WORDS[2:]))
        raise SystemExit(0)
    return tyro.cli(
        cls,
        args=arrange(argv, options, prog),
        prog=prog,
        description=description,
        default=call,
        use_underscores=True,
        config=(tyro.conf.OmitArgPrefixes,),
    )


SEVERAL = {"dataset": "--more_datasets", "image_dir": "--more_image_dirs"}
"""Options that may be given several values where there is an option for those after the first."""
_OPTION = re.compile(r"--?[A-Za-z][\w-]*")
_TABLES = (".csv", ".tsv", ".txt")


def arrange(argv: Sequence[str], options: Sequence[Option], prog: str) -> list[str]:
    """The words of a command line as tyro takes them: each database and image folder after an option of its own.

    >>> from linearityiqa.config import StatsConfig
    >>> arrange(["A", "B", "--quiet"], list(options_of(StatsConfig())), "stats")
    ['--quiet', '--dataset', 'A', '--more_datasets', 'B']
    >>> arrange(["-ds", "A", "B"], list(options_of(StatsConfig())), "stats")
    ['-ds', 'A', '--more_datasets', 'B']

    Raises:
        ConfigError: an option that the command does not have, or databases named both ways.
    """
    known = {word: option for option in options for word in option.all_words}
    of_databases = takes_databases(options)
    arranged: list[str] = []
    databases: list[str] = []
    others: dict[str, list[str]] = {}
    words = deque(argv)
    while words:
        word = words.popleft()
        name, equals, value = word.partition("=")
        option = known.get(_underscored(name))
        if option is None:
            if _is_option(name):
                hint = did_you_mean(_underscored(name), [word for word in known if word.startswith("--")])
                raise ConfigError(f"{prog} has no option {name}{hint}; {prog} --help-all lists them")
            (databases if of_databases else arranged).append(word)
            continue
        more = SEVERAL.get(option.field, "") if of_databases else ""
        several = bool(more) or option.endless
        values: list[str] = []
        while words and (several or len(values) < len(option.values) - bool(equals)) and not _is_option(words[0]):
            if several and of_databases and option.values == ("PATH",) and words[0].lower().endswith(_TABLES):
                break  # neither a model nor an image folder: a database of its own
            values.append(words.popleft())
        if of_databases and f"--{option.long}" in SEVERAL.values():
            others.setdefault(f"--{option.long}", []).extend([*([value] if equals else []), *values])
            continue
        first = 1 - bool(equals) if more else len(values)
        arranged += [word, *values[:first]]
        if values[first:]:
            others.setdefault(more, []).extend(values[first:])
    if databases:
        if any(word.partition("=")[0] in ("--dataset", "-ds") for word in arranged):
            raise ConfigError(f"{databases[0]} and --dataset both name a database: name all of them one way")
        arranged += ["--dataset", databases[0]]
        if databases[1:]:
            others["--more_datasets"] = databases[1:] + others.get("--more_datasets", [])
    return arranged + [word for name, values in others.items() for word in (name, *values)]


def _is_option(word: str) -> bool:
    return _OPTION.fullmatch(word.partition("=")[0]) is not None


def _underscored(word: str) -> str:
    """An option as it is defined: tyro takes hyphens for underscores."""
    bare = word.lstrip("-")
    return word[: len(word) - len(bare)] + bare.replace("-", "_")


@dataclass(frozen=True, kw_only=True)
class _Call(Generic[T]):
    """The options of a command that trains, and where others come from."""

    config: Path | None = None
    """Take the options of this file, the config.toml of an earlier run; options given beside it win."""
    recipe: str | None = None
    """Take a set of options under a name (paper, as by default, or modern); options given beside it win."""
    options: Annotated[T, tyro.conf.arg(name="")]


def parse_training(
    cls: type[T],
    argv: Sequence[str],
    *,
    prog: str,
    description: str,
    base: TrainConfig | None = None,
    around: Callable[[TrainConfig], T],
) -> T:
    """The configuration that the command line of a command that trains describes, with ``--config`` and ``--recipe``.

    Args:
        cls: a configuration dataclass, with the options of `TrainConfig`.
        argv: the words after the command.
        prog: the command, for messages.
        description: what it does, for its help.
        base: options that the command has by default, None for those of `TrainConfig`.
        around: makes a `cls` of a training run's options.

    Raises:
        ConfigError: values that do not go together, or as `take_training_defaults`.
    """
    training, words = take_training_defaults(argv, base)
    default = _Call(options=around(training or TrainConfig()))
    call: _Call[T] = parse(_Call[cls], words, prog=prog, description=description, default=default)  # type: ignore[valid-type]
    return call.options


def take_training_defaults(argv: Sequence[str], base: TrainConfig | None) -> tuple[TrainConfig | None, list[str]]:
    """Take ``--config FILE`` or ``--recipe NAME`` out of the words: the options that they set, and the words left.

    Args:
        argv: the words of a command that trains.
        base: options that the command has by default, None for those of `TrainConfig`; a recipe goes on top of them.

    Raises:
        ConfigError: as `take_config_file`; or there is no such recipe; or both are there.
    """
    from_file, words = take_config_file(TrainConfig, argv)
    name, words = _take_value("--recipe", words, "a name")
    if name is None:
        return from_file or base, words
    if from_file is not None:
        raise ConfigError("--config and --recipe exclude each other: the file has all options of its own recipe")
    return with_recipe(name, base), words


def take_config_file(cls: type[T], argv: Sequence[str]) -> tuple[T | None, list[str]]:
    """Take ``--config FILE`` out of the words: the configuration in the file, and the words that are left.

    Raises:
        ConfigError: the file is missing, too large, not TOML, or names an option that does not exist.
    """
    name, words = _take_value("--config", argv, "the path of a TOML file")
    if name is None:
        return None, words
    path = Path(name)
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path} is too large for a configuration file")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise ConfigError(f"cannot read the configuration file {path}: {cause}") from cause
    return from_dict(cls, values, str(path)), words


def _take_value(option: str, argv: Sequence[str], what: str) -> tuple[str | None, list[str]]:
    """Take ``OPTION VALUE`` or ``OPTION=VALUE`` out of the words; of several the last one counts, as for any option."""
    value, left, words = None, [], iter(argv)
    for word in words:
        name, equals, rest = word.partition("=")
        if name != option:
            left.append(word)
            continue
        value = rest if equals else next(words, "")
        if not value or (not equals and value.startswith("-")):
            raise ConfigError(f"{option} needs {what}")
    return value, left
