"""The command line that a configuration stands for."""

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import tyro


def command_words(config: Any) -> list[str]:
    """The options, as words of a command line, that differ from the defaults of a configuration dataclass.

    Positional ones come first; the others are named as on the command line. One that is None where its default is not
    cannot be asked for, and is left out.

    >>> from linearityiqa.config import ModelConfig, TrainConfig
    >>> command_words(TrainConfig(model=ModelConfig(architecture="resnet18", use_bn_end=True)))
    ['--architecture', 'resnet18', '--use_bn_end']
    """
    options = list(_changed(config, type(config)()))
    positional = [word for name, value in options if name is None for word in map(str, value)]
    return positional + [word for name, value in options if name is not None for word in _option(name, value)]


def _changed(config: Any, default: Any) -> Iterator[tuple[str | None, Any]]:
    """Name (None for a positional one) and value of each option that differs from its default."""
    hints = typing.get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        if dataclasses.is_dataclass(value):
            yield from _changed(value, usual)
        elif value is not None and value != usual:
            yield _name(field.name, getattr(hints[field.name], "__metadata__", ())), value


def _name(field: str, annotations: tuple[Any, ...]) -> str | None:
    if tyro.conf.Positional in annotations:
        return None
    return next((given for note in annotations if (given := getattr(note, "name", None))), field)


def _option(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no_{name}"
    elif isinstance(value, tuple):
        yield from (f"--{name}", *map(str, value))
    elif str(value).startswith("-"):  # apart from its option it would be taken for one
        yield f"--{name}={value}"
    else:
        yield from (f"--{name}", str(value))
