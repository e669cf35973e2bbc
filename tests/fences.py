"""Commands in the fences and backticks of Markdown pages."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PROMPT = "$ "


class Fence(NamedTuple):
    """A block between ``` lines: its page, first line's number, language, the comment line before it, and its lines."""

    page: Path
    line: int
    language: str
    comment: str
    lines: list[str]


class Step(NamedTuple):
    """A command of a console and what it prints."""

    command: str
    output: str


def fences(page: Path) -> Iterator[Fence]:
    """The blocks of code on a page."""
    before, opened = "", None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if opened is None and (found := re.fullmatch(r"\s*```(\w*).*", line)):
            opened = Fence(page, number + 1, found[1], before, [])
        elif opened is not None and line.strip() == "```":
            yield opened
            opened = None
        elif opened is not None:
            opened.lines.append(line)
        elif line.strip():
            before = line


def steps(fence: Fence) -> Iterator[Step]:
    """The commands of a console block, each with the lines below it."""
    for block in re.split(rf"^{re.escape(PROMPT)}", "\n".join(fence.lines), flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*", block)[0]  # type: ignore[index]  # also over several lines
        yield Step(command.strip(), block[len(command) :].strip("\n"))


def command_lines(page: Path) -> Iterator[tuple[str, str]]:
    """Place and text of each line in a fence of shell commands, and of each command of ours in backticks."""
    text = page.read_text(encoding="utf-8")
    for fence in fences(page):
        if fence.language in ("", "sh", "bash"):
            lines = "\n".join(fence.lines).replace("\\\n", " ").splitlines()
        elif fence.language == "console":
            lines = [step.command.replace("\\\n", " ") for step in steps(fence)]
        else:
            continue
        yield from ((f"{page.relative_to(ROOT)}:{fence.line}", line) for line in lines)
    for found in re.finditer(
        r"`((?:linearityiqa |(?:\w+=\S+ )?python \w+/|make )[^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    ):
        yield f"{page.relative_to(ROOT)}, in the text", found[1]


def simple_commands(line: str) -> Iterator[list[str]]:
    """The commands of a shell line, as words, without redirections, variables and the dots that stand for more."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    words: list[str] = []
    tokens = iter([*lexer, ";"])
    for token in tokens:
        if token in (">", "<", ">>"):
            next(tokens)  # the file
        elif token not in ("|", "&&", "||", ";", "&"):
            words.append(token)
        elif words:
            while words and re.fullmatch(r"\w+=.*", words[0]):
                del words[0]
            yield [word for word in words if word != "..."]
            words = []
