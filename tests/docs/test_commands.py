"""Commands, options, extras and imports that the pages name. Oracle: the parsers themselves, pyproject and Makefile."""

import ast
import dataclasses
import importlib
import pkgutil
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import linearityiqa
import linearityiqa.config
from fences import PAGES, ROOT, command_lines, fences, simple_commands
from linearityiqa.cli import parsing
from linearityiqa.cli.commands import COMMANDS, SCRIPTS
from linearityiqa.cli.main import main, run_script

OF_OTHER_PROGRAMS = {
    "--help-all",  # not of the parser
    "--max-restarts", "--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint",  # torchrun
    "--prefix", "--no-deps", "--resolution", "--extra", "--strict", "--cov", "--numprocesses",
    "--batch_wait_ms",
}  # fmt: skip


class Parsed(BaseException):
    """The command line was understood; nothing is carried out."""


@pytest.fixture
def only_parse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let every command end where its options are parsed."""
    real = parsing.parse

    def parse(*args: object, **options: object) -> None:
        real(*args, **options)  # type: ignore[arg-type]
        raise Parsed

    monkeypatch.setattr(parsing, "parse", parse)
    monkeypatch.chdir(tmp_path)


def commands(start: Callable[[list[str]], list[str] | None]) -> list[object]:
    """A test parameter for each command of the pages whose words `start` recognises."""
    found: dict[tuple[str, ...], str] = {}
    for page in filter(Path.is_file, PAGES):
        for place, line in command_lines(page):
            for words in simple_commands(line):
                rest = start(words)
                if rest is not None:
                    found.setdefault(tuple(rest), place)
    return [pytest.param(list(words), id=f"{place}: {' '.join(words)}"[:150]) for words, place in found.items()]


def ours(words: list[str]) -> list[str] | None:
    """The words after `linearityiqa`, also under torchrun and `python -m`."""
    if words[0] == "linearityiqa":
        return words[1:]
    return words[words.index("linearityiqa") + 1 :] if "-m" in words and "linearityiqa" in words else None


def script(words: list[str]) -> list[str] | None:
    """The words after `python` where those are a script of this project."""
    return words[1:] if words[0] == "python" and len(words) > 1 and words[1].endswith(".py") else None


@pytest.mark.usefixtures("only_parse")
@pytest.mark.parametrize("words", commands(ours))
def test_the_parser_understands_what_the_pages_say(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: object = main(words)
    except Parsed:
        status = 0
    except SystemExit as ended:
        status = ended.code
    bare = len(words) == 1 and words[0] in COMMANDS  # a mention of the command in the text
    assert status == 0 or bare, capsys.readouterr().err


@pytest.mark.usefixtures("only_parse")
@pytest.mark.parametrize("words", commands(script))
def test_scripts_exist_and_know_their_options(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    name, *options = words
    assert (ROOT / name).is_file()
    if name in SCRIPTS:
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(Parsed):
            run_script(name)
    else:
        source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / name).parent.glob("*.py"))
        assert [o for o in options if o.startswith("--") and f'"{o}"' not in source] == []


@pytest.mark.parametrize("words", commands(lambda words: words[1:] if words[0] == "make" else None))
def test_targets_of_make_exist(words: list[str]) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(words) <= set(targets)


def test_extras_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for page in filter(Path.is_file, PAGES):
        for named in re.findall(r"(?:linearityiqa|'\.|\"\.)\[([\w,]+)\]", page.read_text(encoding="utf-8")):
            assert set(named.split(",")) <= set(extras), page


def test_options_in_backticks_exist() -> None:
    known = {f"--{name}" for name in option_names()} | OF_OTHER_PROGRAMS
    unknown = {
        (page.name, option)
        for page in filter(Path.is_file, PAGES)
        for code in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S))
        if ".py" not in code
        for option in re.findall(r"(?<![\w-])--[a-zA-Z][\w-]*", code)
        if option not in known
    }
    assert unknown == set()


def option_names() -> Iterator[str]:
    """Fields of every configuration dataclass, and options that are no fields."""
    yield from ("help", "version", "traceback", "config", "recipe")
    for module in pkgutil.walk_packages(linearityiqa.config.__path__, "linearityiqa.config."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value):
                for field in dataclasses.fields(value):
                    yield field.name
                    yield f"no_{field.name}"
                    yield from re.findall(r"(?:--|name=')(\w+)", str(value.__annotations__.get(field.name, "")))


def python_fences() -> list[object]:
    return [
        pytest.param("\n".join(fence.lines), id=f"{page.name}:{fence.line}")
        for page in filter(Path.is_file, PAGES)
        for fence in fences(page)
        if fence.language == "python"
    ]


@pytest.mark.parametrize("code", python_fences())
def test_python_imports_what_there_is(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("linearityiqa"):
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_every_public_name_is_in_the_reference() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    described = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    homes = {f"{home}.{name}" for name, home in linearityiqa._HOMES.items()}
    assert homes - described == set()
