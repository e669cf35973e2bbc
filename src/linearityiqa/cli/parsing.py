"""Command lines from the configuration dataclasses."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

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


DATASET_WORDS = ("--dataset", "-ds")


def spread_datasets(argv: Sequence[str]) -> list[str]:
    """Words in which ``--dataset A B C`` has become ``--dataset A --more_datasets B C``.

    >>> spread_datasets(["-ds", "A", "B", "--resize"])
    ['-ds', 'A', '--more_datasets', 'B', '--resize']
    """
    words = list(argv)
    start = next((number for number, word in enumerate(words) if word in DATASET_WORDS), None)
    if start is None:
        return words
    end = start + 1
    while end < len(words) and not words[end].startswith("-"):
        end += 1
    more = words[start + 2 : end]
    return [*words[: start + 2], "--more_datasets", *more, *words[end:]] if more else words


def take_training_defaults(argv: Sequence[str], base: TrainConfig | None) -> tuple[TrainConfig | None, list[str]]:
    """Take ``--config FILE`` or ``--recipe NAME`` out of the words: the options that they set, and the words left.

    Args:
        argv: the words of a command that trains.
        base: options that the command has by default, None for those of `TrainConfig`; a recipe goes on top of them.

    Raises:
        ConfigError: as `take_config_file`; or there is no such recipe; or both are there.
    """
    from_file, words = take_config_file(TrainConfig, argv)
    position = next((number for number, word in enumerate(words) if word.partition("=")[0] == "--recipe"), None)
    if position is None:
        return from_file or base, words
    if from_file is not None:
        raise ConfigError("--config and --recipe exclude each other: the file has all options of its own recipe")
    _, equals, name = words[position].partition("=")
    end = position + (1 if equals else 2)
    if end > len(words):
        raise ConfigError("--recipe needs a name")
    return with_recipe(name if equals else words[position + 1], base), words[:position] + words[end:]


def take_config_file(cls: type[T], argv: Sequence[str]) -> tuple[T | None, list[str]]:
    """Take ``--config FILE`` out of the words: the configuration in the file, and the words that are left.

    Raises:
        ConfigError: the file is missing, too large, not TOML, or names an option that does not exist.
    """
    words = list(argv)
    if "--config" not in words:
        return None, words
    position = words.index("--config")
    if position + 1 == len(words):
        raise ConfigError("--config needs the path of a TOML file")
    path = Path(words[position + 1])
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path} is too large for a configuration file")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise ConfigError(f"cannot read the configuration file {path}: {cause}") from cause
    return from_dict(cls, values, str(path)), words[:position] + words[position + 2 :]
