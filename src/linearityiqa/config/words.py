"""The command line that a configuration stands for."""

from collections.abc import Iterator
from typing import Any

from linearityiqa.config.options import options_of


def command_words(config: Any) -> list[str]:
    """The options, as words of a command line, that differ from the defaults of a configuration dataclass.

    Positional ones come first; the others are named as on the command line. One that is None where its default is not
    cannot be asked for, and is left out.

    >>> from linearityiqa.config import ModelConfig, TrainConfig
    >>> command_words(TrainConfig(model=ModelConfig(architecture="resnet18", use_bn_end=True)))
    ['--architecture', 'resnet18', '--use_bn_end']
    """
    pairs = zip(options_of(config), options_of(type(config)()), strict=True)
    changed = [given for given, usual in pairs if given.default not in (None, usual.default)]
    positional = [str(word) for option in changed if not option.words for word in option.default]
    return positional + [word for option in changed if option.words for word in _option(option.long, option.default)]


def _option(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no_{name}"
    elif isinstance(value, tuple):
        yield from (f"--{name}", *map(str, value))
    elif str(value).startswith("-"):  # apart from its option it would be taken for one
        yield f"--{name}={value}"
    else:
        yield from (f"--{name}", str(value))
