"""The help of a command: its essential options and examples first, then the names of the others, or all in groups."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from linearityiqa.cli.commands import PROGRAMS, Command
from linearityiqa.config.tree import Option, title_of

WIDEST, COLUMN = 100, 26
"""Width of the text on a wide terminal, and of the column of the options."""
FEW = 16
"""Up to this many options, the help explains them all."""


def takes_databases(options: Sequence[Option]) -> bool:
    """Return whether a command takes databases as words without an option."""
    return any(option.field == "more_datasets" for option in options)


def help_page(prog: str, call: Any, options: Sequence[Option], *, everything: bool = False) -> str:
    """Return the help of a command, whose defaults are the values in `call`; `everything` explains all options."""
    page = PROGRAMS.get(prog, Command(""))
    width = min(shutil.get_terminal_size().columns, WIDEST)
    listed = [option for option in options if option.field not in page.unlisted.split()]
    named = [option for option in listed if option.words]
    everything = everything or not page.essentials or len(named) <= FEW
    words = [*(f"{option.field.upper()} ..." for option in listed if not option.words)]
    if takes_databases(options):
        words.append("DATABASE ..." if any(option.field == "more_datasets" for option in listed) else "DATABASE")
    blocks = [
        "usage: " + " ".join([prog, *(f"[{word}]" for word in words), "[OPTIONS]"]),
        textwrap.fill(page.description, width),
    ]
    positional = [(option.field.upper(), option.text) for option in listed if not option.words]
    if takes_databases(options):
        positional.append(("DATABASE", "A known database or a CSV file, as with --dataset."))
    if positional:
        blocks.append("\n".join(line for name, text in positional for line in _entry(name, text, width)))
    essentials = [option for name in page.essentials.split() for option in named if option.field == name]
    others = [option for option in named if option not in essentials]
    if essentials:
        blocks.append(_group("essential options" if others else "options", essentials, width))
    blocks += (
        _groups(call, others, width, "other options" if essentials else "options")
        if everything
        else [_names(prog, others, width)]
    )
    notes = (page.note, "A switch is turned off by --no_NAME." if everything and len(named) > FEW else "")
    blocks += [textwrap.fill(note, width) for note in notes if note]
    if page.examples:
        called = f"python {prog}" if prog.endswith(".py") else prog
        examples = (f"  # {what}\n  {called} {words}".rstrip() for words, what in page.examples)
        blocks.append("\n".join(["examples:", *examples]))
    return "\n\n".join(blocks)


def _groups(call: Any, options: Sequence[Option], width: int, first: str) -> Iterator[str]:
    for name in dict.fromkeys(option.group for option in options):
        title = f"{name}: {title_of(call, name)}" if name else first
        yield _group(title, [option for option in options if option.group == name], width)


def _group(title: str, options: Sequence[Option], width: int) -> str:
    lines = (line for option in options for line in _entry(_left(option), _right(option), width))
    return "\n".join([textwrap.fill(f"{title}:", width), *lines])


def _names(prog: str, options: Sequence[Option], width: int) -> str:
    """Return the names of options that are not explained, by group."""
    lines = [f"more options ({prog} --help-all explains them):"]
    for name in dict.fromkeys(option.group for option in options):
        words = " ".join(_shown(option)[-1] for option in options if option.group == name)
        lines += _entry(name or "others", words, width, column=16)
    return "\n".join(lines)


def _entry(left: str, right: str, width: int, column: int = COLUMN) -> list[str]:
    """Return a term and its meaning, on one line or, where the term is long, below it."""
    text = textwrap.wrap(right, max(width - column, 20), break_on_hyphens=False, break_long_words=False)
    first = f"  {left}"
    if len(first) < column - 1 and text:
        first, text = first.ljust(column) + text[0], text[1:]
    return [first, *(" " * column + line for line in text)]


def _left(option: Option) -> str:
    """Return the forms of an option and its values: `-e, --epochs N`."""
    values = [*option.values, "..."] if option.endless and not option.repeated else option.values
    return " ".join([", ".join(_shown(option)), *values])


def _shown(option: Option) -> list[str]:
    """Return the forms of an option without those that repeat its name (-pbar), and how to turn off a default."""
    forms = [word for word in option.words if not (len(word) > 2 and f"-{word}" == option.words[-1])]
    return forms if option.values or not option.default else [*forms, f"--no_{option.long}"]


def _right(option: Option) -> str:
    """Return the text of an option with its choices and default."""
    default = option.default
    values = default if isinstance(default, tuple) else (default,)
    facts = [f"one of {', '.join(option.choices)}"] if len(option.choices) > 1 else []
    if default is not None and values and not isinstance(default, bool):
        facts.append(f"default: {' '.join(f'{v:g}' if isinstance(v, float) else str(v) for v in values)}")
    return f"{option.text} ({'; '.join(facts)})" if facts else option.text
