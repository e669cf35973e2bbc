"""One way to refuse a value, for every configuration dataclass."""

from collections.abc import Iterable

from linearityiqa.errors import ConfigError, did_you_mean


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
