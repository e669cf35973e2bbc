"""The command line that a configuration stands for."""

import dataclasses
from collections.abc import Iterator
from typing import Any


def command_words(config: Any) -> list[str]:
    """The options, as words of a command line, that differ from the defaults of a configuration dataclass.

    Options are named by their fields, without prefixes; those that are None cannot be asked for and are left out.

    >>> from linearityiqa.config import ModelConfig, TrainConfig
    >>> command_words(TrainConfig(model=ModelConfig(architecture="resnet18", use_bn_end=True)))
    ['--architecture', 'resnet18', '--use_bn_end']
    """
    return list(_words(config, type(config)()))


def _words(config: Any, default: Any) -> Iterator[str]:
    for field in dataclasses.fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        if dataclasses.is_dataclass(value):
            yield from _words(value, usual)
        elif value is not None and value != usual:
            yield from _option(field.name, value)


def _option(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no_{name}"
    elif isinstance(value, tuple):
        yield from (f"--{name}", *map(str, value))
    elif str(value).startswith("-"):  # apart from its option it would be taken for one
        yield f"--{name}={value}"
    else:
        yield from (f"--{name}", str(value))
