"""Command lines from the configuration dataclasses."""

import re
import tomllib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from linearityiqa.cli.commands import HELP_WORDS
from linearityiqa.cli.help import help_page, takes_databases
from linearityiqa.config import CrossvalConfig, TrainConfig, from_dict, with_recipe
from linearityiqa.config.tree import Option, options_of, with_values
from linearityiqa.errors import ConfigError, did_you_mean

T = TypeVar("T")
MAX_CONFIG_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class _Sources:
    """Sources of the options of a command that trains."""

    config: Path | None = None
    """Take the options of this file, the config.toml of an earlier run; other options that are given win."""
    recipe: str | None = None
    """Take a set of options under a name (paper, as by default, or modern); other options that are given win."""


def options_for(call: Any) -> list[Option]:
    """Return the options of a command; those of one that trains begin with `--config` and `--recipe`."""
    sources = options_of(_Sources()) if isinstance(call, TrainConfig | CrossvalConfig) else ()
    return [*sources, *options_of(call)]


def parse(cls: type[T], argv: Sequence[str], *, prog: str, default: T | None = None) -> T:
    """Parse the words after a command into a configuration; `default` replaces the dataclass's own defaults.

    Options are the fields of `cls` and of the dataclasses inside it, without prefixes. A command that has a database
    also takes it as a word without option; one that trains also takes ``--config FILE`` and ``--recipe NAME``.
    """
    call: Any = cls() if default is None else default
    if isinstance(call, TrainConfig):
        call, argv = take_training_defaults(argv, call)
    elif isinstance(call, CrossvalConfig):
        training, argv = take_training_defaults(argv, call.train)
        call = replace(call, train=training)
    options = options_for(call)
    if wanted := next((word for word in argv if word in HELP_WORDS), None):
        print(help_page(prog, call, options, everything=wanted in HELP_WORDS[2:]))
        raise SystemExit(0)
    config: T = with_values(call, read_words(argv, options, prog))
    return config


SEVERAL = {"dataset": "more_datasets", "image_dir": "more_image_dirs"}
"""Fields of options that may get several values, and those that take all after the first."""
_OPTION = re.compile(r"--?[A-Za-z][\w-]*")
_TABLES = (".csv", ".tsv", ".txt")


def read_words(argv: Sequence[str], options: Sequence[Option], prog: str) -> dict[str, Any]:
    """Read the values that a command line gives to options; words without an option may stand anywhere.

    >>> from linearityiqa.config import StatsConfig
    >>> read_words(["A", "--bins", "5", "B"], list(options_of(StatsConfig())), "stats")
    {'bins': 5, 'dataset': 'A', 'more_datasets': ('B',)}
    >>> read_words(["-ds", "A", "B"], list(options_of(StatsConfig())), "stats")
    {'dataset': 'A', 'more_datasets': ('B',)}
    """
    known = {word: option for option in options for word in option.all_words}
    of_databases = takes_databases(options)
    given: dict[str, Any] = {}
    others: dict[str, list[str]] = {}
    loose: list[str] = []
    words = deque(argv)
    while words:
        word = words.popleft()
        if word == "--":  # what follows is no option, whatever it looks like
            loose += words
            break
        name, equals, value = word.partition("=")
        option = known.get(_underscored(name))
        if option is None:
            if _is_option(name):
                hint = did_you_mean(_underscored(name), [word for word in known if word.startswith("--")])
                raise ConfigError(f"{prog} has no option {name}{hint}; {prog} --help-all lists them")
            loose.append(word)
            continue
        more = SEVERAL.get(option.field, "") if of_databases else ""
        several = bool(more) or (option.endless and not option.repeated)
        values = [value] if equals else []
        if not option.types and words and words[0].lower() in ("true", "false"):
            values.append(
                words.popleft()
            )  # which `convert` refuses: left to itself, it would name a database or a file
        while words and (several or len(values) < len(option.values)) and not _is_option(words[0]):
            if several and of_databases and option.values == ("PATH",) and words[0].lower().endswith(_TABLES):
                break  # neither a model nor an image folder: a database
            values.append(words.popleft())
        if more:
            others.setdefault(more, []).extend(values[1:])
            del values[1:]
        value = option.convert(_underscored(name), values)
        if option.repeated or (of_databases and option.field in SEVERAL.values()):
            others.setdefault(option.field, []).extend(value)
        else:
            given[option.field] = value
    if loose and of_databases:
        if "dataset" in given:
            raise ConfigError(f"{loose[0]} and --dataset both name a database: name all of them one way")
        given["dataset"] = loose[0]
        others["more_datasets"] = loose[1:] + others.get("more_datasets", [])
    elif loose:
        positional = next((option for option in options if not option.words), None)
        if positional is None:
            raise ConfigError(f"{prog} takes nothing but options, got {loose[0]!r}; {prog} --help lists them")
        given[positional.field] = positional.convert(positional.field, loose)
    fields = {option.field: option for option in options}
    return given | {name: fields[name].convert(name, values) for name, values in others.items() if values}


def _is_option(word: str) -> bool:
    return _OPTION.fullmatch(word.partition("=")[0]) is not None


def _underscored(word: str) -> str:
    """Spell an option with underscores; hyphens are as good."""
    bare = word.lstrip("-")
    return word[: len(word) - len(bare)] + bare.replace("-", "_")


def take_training_defaults(argv: Sequence[str], base: TrainConfig) -> tuple[TrainConfig, list[str]]:
    """Take ``--config FILE`` or ``--recipe NAME`` out of the words: the options that they set, and the words left.

    A recipe goes on top of `base`; a file has all options.
    """
    file, words = _take_value("--config", argv, "the path of a TOML file")
    recipe, words = _take_value("--recipe", words, "a name")
    if file is None:
        return base if recipe is None else with_recipe(recipe, base), words
    if recipe is not None:
        raise ConfigError("--config and --recipe exclude each other: the file has all options of its own recipe")
    path = Path(file)
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path} is too large for a configuration file")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise ConfigError(f"cannot read the configuration file {path}: {cause}") from cause
    return from_dict(TrainConfig, values, str(path)), words


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
