"""Configuration dataclasses to and from plain values (TOML, JSON), and as the options of a command line."""

import ast
import dataclasses
import inspect
import itertools
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from linearityiqa.errors import ConfigError, did_you_mean

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Convert a configuration dataclass to nested plain values; None is left out (TOML has no null).

    >>> from linearityiqa.config import ModelConfig
    >>> to_dict(ModelConfig())["architecture"]
    'resnext101_32x8d'
    """
    return {
        f.name: _plain(getattr(config, f.name))
        for f in dataclasses.fields(config)
        if getattr(config, f.name) is not None
    }


def from_dict(cls: type[T], values: dict[str, Any], where: str = "configuration") -> T:
    """Make a configuration dataclass from nested plain values, as of `to_dict`; absent options take their defaults.

    Raises a `ConfigError`, which begins with `where` (the file of the values), for an option that does not exist, a
    value of the wrong type, and one that its dataclass refuses.
    """
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        hint = did_you_mean(unknown[0], hints)
        raise ConfigError(f"{where}: unknown option {unknown[0]!r}{hint}; known here: {', '.join(hints)}")
    try:
        return cls(**{name: _typed(hints[name], value, f"{where}: {name}") for name, value in values.items()})
    except ConfigError as cause:
        message = str(cause)
        raise ConfigError(message if message.startswith(where) else f"{where}: {message}") from cause


def changed_from_defaults(config: Any) -> dict[str, Any]:
    """Return the options of a flat dataclass that differ from their defaults, as plain values."""
    default = to_dict(type(config)())
    return {name: value for name, value in to_dict(config).items() if value != default.get(name)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _typed(hint: Any, value: Any, where: str) -> Any:
    """Return a value, checked against the annotated type and converted where TOML or JSON cannot express it."""
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be a table, got {value!r}")
        return from_dict(typing.cast(type, hint), value, where)
    if origin in (typing.Union, types.UnionType):
        return _typed(next(arm for arm in typing.get_args(hint) if arm is not type(None)), value, where)
    if origin is typing.Literal:
        return value  # the dataclass itself names the choices
    if origin is tuple:
        arms = typing.get_args(hint)
        endless = arms[-1] is Ellipsis
        if not isinstance(value, list | tuple) or not (endless or len(value) == len(arms)):
            raise ConfigError(f"{where} must be a list{'' if endless else f' of {len(arms)}'}, got {value!r}")
        items = zip(arms[:1] * len(value) if endless else arms, value, strict=True)
        return tuple(_typed(arm, item, where) for arm, item in items)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where} must be a {hint.__name__}, got {value!r}")
    return value


class Spelling(NamedTuple):
    """Forms of an option on the command line, as metadata of its annotation."""

    aliases: tuple[str, ...] = ()
    name: str = ""  # its own form without dashes, by default the field's name
    metavar: str = ""  # name of its value in help
    positional: bool = False  # takes the words without an option
    repeated: bool = False  # each of several values has the option before it


class Option(NamedTuple):
    """An option of a command line."""

    field: str
    words: tuple[str, ...]  # its forms, the short ones first and its own last; none for a positional one
    types: tuple[type, ...]  # of its values; none for a switch
    values: tuple[str, ...]  # names of its values in help, a word each
    endless: bool  # takes any number of values
    repeated: bool  # each of them has the option before it
    choices: tuple[str, ...]  # the values that it can have, where these are few
    default: Any
    text: str
    group: str  # name of the field that holds its dataclass; empty for the command's own

    @property
    def long(self) -> str:
        """Its own form, without dashes."""
        return self.words[-1].removeprefix("--") if self.words else self.field

    @property
    def all_words(self) -> tuple[str, ...]:
        """Its forms, with those that switch it off."""
        off = [] if self.values else [f"--no_{word[2:]}" for word in self.words if word.startswith("--")]
        return (*self.words, *off)

    def convert(self, word: str, values: Sequence[str]) -> Any:
        """Return the value that the words after a form of the option give it."""
        if not self.types:
            if values:
                raise ConfigError(
                    f"{word} is a switch and takes no value, got {values[0]!r}: --{self.long} turns it on, "
                    f"--no_{self.long} turns it off"
                )
            return word in self.words
        if not values or not (self.endless or len(values) == len(self.types)):
            needed = f"{len(self.types)} values" if len(self.types) > 1 else "a value"
            raise ConfigError(f"{word} needs {needed}, got {len(values) or 'none'}")
        types = self.types * len(values) if self.endless else self.types
        items = tuple(_converted(kind, value, word) for kind, value in zip(types, values, strict=True))
        return items if self.endless or len(items) > 1 else items[0]


def options_of(config: Any, group: str = "") -> Iterator[Option]:
    """Yield the options of a configuration, its values as defaults; those of nested dataclasses come last.

    >>> from linearityiqa.config import ModelConfig
    >>> next(options_of(ModelConfig())).words
    ('-arch', '--arch', '--architecture')
    """
    hints = typing.get_type_hints(type(config), include_extras=True)
    inner = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            inner.append((field.name, value))
        else:
            yield _option(type(config), field.name, hints[field.name], value, group)
    for name, value in inner:
        yield from options_of(value, name)


def with_values(config: T, given: Mapping[str, Any]) -> T:
    """Return a configuration in which some fields, its own or those of nested dataclasses, have other values.

    >>> from linearityiqa.config import TrainConfig
    >>> with_values(TrainConfig(), {"epochs": 3}).optimiser.epochs
    3
    """
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            changes[field.name] = with_values(value, given)
        elif field.name in given:
            changes[field.name] = given[field.name]
    return dataclasses.replace(config, **changes)  # type: ignore[type-var]


def title_of(config: Any, group: str) -> str:
    """Return the first sentence of the dataclass that holds a group of options; empty where there is none."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            if field.name == group:
                title = (type(value).__doc__ or "").partition(";")[0].partition(".\n")[0].strip().rstrip(".")
                return title[:1].lower() + title[1:]
            if found := title_of(value, group):
                return found
    return ""


def command_words(config: Any) -> list[str]:
    """Return the words of a command line for the options that differ from their defaults.

    Positional ones come first; the others are named as on the command line. One that is None where its default is not
    cannot be asked for, and is left out.

    >>> from linearityiqa.config import ModelConfig, TrainConfig
    >>> command_words(TrainConfig(model=ModelConfig(architecture="resnet18", use_bn_end=True)))
    ['--architecture', 'resnet18', '--use_bn_end']
    """
    pairs = zip(options_of(config), options_of(type(config)()), strict=True)
    changed = [given for given, usual in pairs if given.default not in (None, usual.default)]
    positional = [str(word) for option in changed if not option.words for word in option.default]
    return positional + [word for option in changed if option.words for word in _words(option.long, option.default)]


def _words(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no_{name}"
    elif isinstance(value, tuple):
        yield from (f"--{name}", *map(str, value))
    elif str(value).startswith("-"):  # apart from its option it would be taken for one
        yield f"--{name}={value}"
    else:
        yield from (f"--{name}", str(value))


def _option(owner: type, name: str, hint: Any, value: Any, group: str) -> Option:
    notes = getattr(hint, "__metadata__", ())
    kind = typing.get_args(hint)[0] if notes else hint
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(arm for arm in typing.get_args(kind) if arm is not type(None))
    arms = typing.get_args(kind)
    choices = arms if typing.get_origin(kind) is typing.Literal else ()
    endless = typing.get_origin(kind) is tuple and arms[-1] is Ellipsis
    spelling = next((note for note in notes if isinstance(note, Spelling)), Spelling())

    def short_first(word: str) -> tuple[bool, int]:
        return word.startswith("--"), len(word)

    items = arms[:1] if endless else arms if typing.get_origin(kind) is tuple else () if kind is bool else (kind,)
    return Option(
        field=name,
        words=() if spelling.positional else (*sorted(spelling.aliases, key=short_first), f"--{spelling.name or name}"),
        types=tuple(str if typing.get_origin(item) is typing.Literal else item for item in items),
        values=tuple(spelling.metavar or _VALUES.get(item, "NAME") for item in items),
        endless=endless,
        repeated=spelling.repeated,
        choices=choices,
        default=value,
        text=_texts(owner).get(name, ""),
        group=group,
    )


_VALUES = {int: "N", float: "X", Path: "PATH"}
_NUMBERS = {int: "a whole number", float: "a number"}


def _converted(kind: type, value: str, word: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise ConfigError(f"{word} takes {_NUMBERS.get(kind, 'another value')}, got {value!r}") from None


@cache
def _texts(owner: type) -> dict[str, str]:
    """Return the strings below the fields of a dataclass and its bases, each on one line."""
    found = dict(item for base in owner.__bases__ if dataclasses.is_dataclass(base) for item in _texts(base).items())
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0].body  # type: ignore[attr-defined]
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(field.target, ast.Name):
            found[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return found
