"""Checks of option values: choices and bounds are written at each option, rules on several options in its class."""

import math
import typing
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

from linearityiqa.errors import ConfigError, did_you_mean


class Bounds(NamedTuple):
    """Accepted values of an option, as metadata of its annotation; None is always accepted."""

    hold: Callable[[Any], bool]
    words: str


def at_least(low: float) -> Bounds:
    """Allow values of `low` or more."""
    return Bounds(lambda value: value >= low, f"must be >= {low}")


def within(low: float, high: float) -> Bounds:
    """Allow values from `low` to `high`, both included."""
    return Bounds(lambda value: low <= value <= high, f"must lie in {low}..{high}")


POSITIVE = Bounds(lambda value: value > 0, "must be > 0")
SEED = Bounds(lambda seed: 0 <= seed < 2**63, "must lie in 0..2**63-1")
WORKERS = within(0, 256)
PAPER_SEED = 19920517
"""Seed of the published scripts."""


class Checked:
    """Base of the configuration dataclasses: raises a `ConfigError` for a value beyond an option's `Literal` choices or
    its `Bounds`, and for a number that is not finite.
    """

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            items = value if isinstance(value, tuple) else (value,)
            finite = all(math.isfinite(item) for item in items if isinstance(item, float))
            require_options((finite, f"{name} must be finite, got {value}"))
        owner: type = type(self)
        for name, choices, bounds in _checks(owner):
            value = getattr(self, name)
            if choices:
                for item in value if isinstance(value, tuple) else (value,):
                    require_choice(name, item, choices)
            if bounds is not None and value is not None:
                require_options((bounds.hold(value), f"{name} {bounds.words}, got {value}"))


@cache
def _checks(owner: type) -> list[tuple[str, tuple[str, ...], Bounds | None]]:
    """Return name, choices and bounds of each option that has any."""
    found = []
    for name, hint in typing.get_type_hints(owner, include_extras=True).items():
        notes = getattr(hint, "__metadata__", ())
        kind = hint.__origin__ if notes else hint
        if typing.get_origin(kind) is tuple:  # whose items all have the type of the first
            kind = typing.get_args(kind)[0]
        choices = typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
        bounds = next((note for note in notes if isinstance(note, Bounds)), None)
        if choices or bounds:
            found.append((name, choices, bounds))
    return found


def require_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """Raise a `ConfigError` that lists the choices unless `value` is one of them."""
    known = tuple(choices)
    if value not in known:
        raise ConfigError(f"{option} must be one of {', '.join(known)}; got {value!r}{did_you_mean(value, known)}")


def require_options(*rules: tuple[bool, str]) -> None:
    """Raise a `ConfigError` with the message of the first rule that does not hold."""
    for holds, message in rules:
        if not holds:
            raise ConfigError(message)
