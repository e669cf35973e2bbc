"""Configuration dataclasses to and from plain values (TOML, JSON)."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from linearityiqa.errors import ConfigError, did_you_mean

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration dataclass as nested plain values; options that are None are left out (TOML has no null).

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
    """The dataclass `cls` from plain values; what is absent takes its default.

    Args:
        cls: a configuration dataclass.
        values: nested plain values as made by `to_dict`.
        where: the file the values come from, for messages.

    Raises:
        ConfigError: an option that does not exist, a value of the wrong type, or one that its dataclass refuses.
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
    """The options of a flat configuration dataclass that differ from its defaults, as plain values."""
    default = to_dict(type(config)())
    return {name: value for name, value in to_dict(config).items() if value != default.get(name)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _typed(hint: Any, value: Any, where: str) -> Any:
    """`value`, converted to the annotated type where TOML or JSON cannot express it, and checked against it."""
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
        return _typed_tuple(typing.get_args(hint), value, where)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where} must be a {hint.__name__}, got {value!r}")
    return value


def _typed_tuple(arms: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    endless = len(arms) == 2 and arms[1] is Ellipsis
    if not isinstance(value, list | tuple) or not (endless or len(value) == len(arms)):
        raise ConfigError(f"{where} must be a list{'' if endless else f' of {len(arms)}'}, got {value!r}")
    item_types = [arms[0]] * len(value) if endless else arms
    return tuple(_typed(arm, item, where) for arm, item in zip(item_types, value, strict=True))
