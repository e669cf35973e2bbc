"""Command lines from the configuration dataclasses."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import tyro

from linearityiqa.config import TrainConfig, from_dict, with_recipe
from linearityiqa.errors import ConfigError

T = TypeVar("T")
MAX_CONFIG_BYTES = 1_000_000


def parse(cls: type[T], argv: Sequence[str], *, prog: str, description: str, default: T | None = None) -> T:
    """The configuration that a command line describes.

    Options are the fields of `cls` and of the dataclasses inside it, without prefixes; a wrong one ends the process
    with status 2 and a sentence that names it.

    Args:
        cls: a configuration dataclass.
        argv: the words after the command.
        prog: the command, for messages.
        description: what it does, for its help.
        default: values of the options that are not given, instead of the dataclass's own.

    Raises:
        ConfigError: values that do not go together.
    """
    return tyro.cli(
        cls,
        args=list(argv),
        prog=prog,
        description=description,
        default=cls() if default is None else default,
        use_underscores=True,
        config=(tyro.conf.OmitArgPrefixes,),
    )


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
    call: _Call[T] = parse(_Call[cls], spread_datasets(words), prog=prog, description=description, default=default)  # type: ignore[valid-type]
    return call.options


DATASET_WORDS = ("--dataset", "-ds")


def spread_datasets(argv: Sequence[str]) -> list[str]:
    """Words in which ``--dataset A B C`` has become ``--dataset A --more_datasets B C``.

    >>> spread_datasets(["-ds", "A", "B", "--resize"])
    ['-ds', 'A', '--more_datasets', 'B', '--resize']
    >>> spread_datasets(["--dataset=A", "B"])
    ['--dataset=A', '--more_datasets', 'B']
    """
    words = list(argv)
    start = next((number for number, word in enumerate(words) if word.partition("=")[0] in DATASET_WORDS), None)
    if start is None:
        return words
    first = start + (1 if "=" in words[start] else 2)
    end = first
    while end < len(words) and not words[end].startswith("-"):
        end += 1
    more = words[first:end]
    return [*words[:first], "--more_datasets", *more, *words[end:]] if more else words


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
