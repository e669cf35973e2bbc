"""The options that a configuration dataclass stands for, read from it: for help, completion and messages."""

import ast
import dataclasses
import inspect
import itertools
import textwrap
import types
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import tyro


class Option(NamedTuple):
    """An option of a command line.

    Attributes:
        field: name of the dataclass's field.
        words: its forms, the short ones first and its own last; none for a positional one.
        values: what stands for its values in help, a word each; none for a switch.
        endless: whether it takes any number of values.
        choices: the values that it can have, where these are few.
        default: its value where it is not given.
        text: what it does.
        group: name of the field that holds its dataclass; empty for the command's own.
    """

    field: str
    words: tuple[str, ...]
    values: tuple[str, ...]
    endless: bool
    choices: tuple[str, ...]
    default: Any
    text: str
    group: str

    @property
    def long(self) -> str:
        """Its own name, as a word without dashes."""
        return self.words[-1].removeprefix("--") if self.words else self.field

    @property
    def all_words(self) -> tuple[str, ...]:
        """Its forms, with those that switch it off."""
        off = [] if self.values else [f"--no_{word[2:]}" for word in self.words if word.startswith("--")]
        return (*self.words, *off)


def options_of(config: Any, group: str = "") -> Iterator[Option]:
    """The options of a configuration, with its values as defaults; those of dataclasses inside it come last.

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


def title_of(config: Any, group: str) -> str:
    """The first sentence of the dataclass that holds a group of options; empty where there is no such group."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            if field.name == group:
                title = (type(value).__doc__ or "").partition(";")[0].partition(".\n")[0].strip().rstrip(".")
                return title[:1].lower() + title[1:]
            if found := title_of(value, group):
                return found
    return ""


def _option(owner: type, name: str, hint: Any, value: Any, group: str) -> Option:
    notes = getattr(hint, "__metadata__", ())
    kind = typing.get_args(hint)[0] if notes else hint
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(arm for arm in typing.get_args(kind) if arm is not type(None))
    arms = typing.get_args(kind)
    choices = arms if typing.get_origin(kind) is typing.Literal else ()
    endless = typing.get_origin(kind) is tuple and arms[-1] is Ellipsis
    shown = next((note.metavar for note in notes if getattr(note, "metavar", None)), None)
    items = [arms[0]] if endless else arms if typing.get_origin(kind) is tuple else [] if kind is bool else [kind]
    long = f"--{next((note.name for note in notes if getattr(note, 'name', None)), name)}"
    aliases = [alias for note in notes for alias in getattr(note, "aliases", None) or ()]
    return Option(
        field=name,
        words=() if tyro.conf.Positional in notes else (*sorted(aliases, key=_length), long),
        values=tuple(shown or _VALUES.get(item, "NAME") for item in items),
        endless=endless,
        choices=choices,
        default=value,
        text=_texts(owner).get(name, ""),
        group=group,
    )


_VALUES = {int: "N", float: "X", Path: "PATH"}


def _length(word: str) -> tuple[bool, int]:
    return word.startswith("--"), len(word)


@cache
def _texts(owner: type) -> dict[str, str]:
    """The strings below the fields of a dataclass and of those it is derived from, on one line each."""
    found = dict(item for base in owner.__bases__ if dataclasses.is_dataclass(base) for item in _texts(base).items())
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0].body  # type: ignore[attr-defined]
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(field.target, ast.Name):
            found[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return found
