"""Help as a newcomer sees it. Oracle: what the commands themselves take; every example is given to its command."""

import shlex

import pytest

from linearityiqa.cli import parsing
from linearityiqa.cli.commands import PROGRAMS, SCRIPTS
from linearityiqa.cli.completion import known_commands
from linearityiqa.cli.main import main, run_script
from linearityiqa.config import TestConfig
from linearityiqa.config.tree import options_of

COMMANDS = [prog for prog in PROGRAMS if prog.startswith("linearityiqa")]


@pytest.fixture
def page(monkeypatch, capsys):
    """The help of a command at a width."""

    def show(prog: str, word: str = "--help", width: int = 80) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        with pytest.raises(SystemExit, match="0"):
            main([*prog.split()[1:], word])
        return capsys.readouterr().out

    return show


def test_every_command_has_three_examples() -> None:
    assert {f"linearityiqa {words}" for words, options in known_commands().items() if options} == set(COMMANDS)
    assert all(len(one.examples) == 3 for one in PROGRAMS.values())


@pytest.mark.parametrize("prog", COMMANDS)
@pytest.mark.parametrize("word", ["--help", "--help-all"])
@pytest.mark.parametrize("width", [80, 120])
def test_pages_fit_the_terminal_and_have_no_noise(prog, word, width, page) -> None:
    shown = page(prog, word, width)
    assert max(map(len, shown.splitlines())) <= width
    assert not any(noise in shown for noise in ("None", "[[", "STR", "{", "default: )"))
    assert shown.startswith(f"usage: {prog} ")


@pytest.mark.parametrize("prog", COMMANDS)
def test_help_names_every_option_once_and_help_all_explains_it(prog, page) -> None:
    options = known_commands()[prog.removeprefix("linearityiqa ")]
    named = [option for option in options if option.words and option.field not in PROGRAMS[prog].unlisted.split()]
    short, whole = page(prog), page(prog, "--help-all")
    for option in named:
        assert f"--{option.long}" in short or f"--no_{option.long}" in short
        assert option.text, f"{option.field} has no text"
        assert " ".join(option.text.split()[:3]) in " ".join(whole.split())
    assert "examples:" in short
    assert len(short) <= len(whole)


@pytest.mark.parametrize("words", [[], ["datasets"], ["completion"]])
def test_lists_of_commands_have_three_examples_and_fit_any_terminal(words, capsys) -> None:
    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 80
    assert sum(line.startswith("  # ") for line in shown) == 3


def test_essentials_come_first(page) -> None:
    shown = page("linearityiqa train")
    first = [shown.index(option) for option in ("--dataset", "--output", "--epochs", "more options", "--gamma")]
    assert first == sorted(first)


def test_options_of_other_commands_are_not_shown(page) -> None:
    assert "--cache" not in page("linearityiqa score", "--help-all")
    assert "--gamma" not in page("linearityiqa test", "--help-all")
    assert "--more_datasets" not in page("linearityiqa datasets check", "--help-all")


class Parsed(Exception):  # noqa: N818 - the end of a command that would go on to work
    pass


@pytest.fixture
def parse_only(monkeypatch):
    """Commands end once their words are parsed."""

    def parse(*given, **options):
        original(*given, **options)
        raise Parsed

    original = parsing.parse
    monkeypatch.setattr(parsing, "parse", parse)


@pytest.mark.parametrize(("prog", "words"), [(p, words) for p, one in PROGRAMS.items() for words, _ in one.examples])
def test_every_example_is_understood(prog, words, parse_only, monkeypatch) -> None:
    argv = shlex.split(f"{prog} {words}".partition(" | ")[0])
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(Parsed):
        run_script(prog) if prog in SCRIPTS else main(argv[1:])


def test_an_inherited_option_keeps_its_text_and_a_renamed_one_its_word() -> None:
    options = {option.field: option for option in options_of(TestConfig())}
    assert options["warmup_epochs"].text.startswith("Epochs in which the learning rate")
    assert options["trained_model_file"].words == ("-modelfile", "--model", "--trained_model_file")
    assert options["resize"].all_words == ("-rs", "--resize", "--no_resize")
    assert (options["beta"].values, options["beta"].endless) == (("X", "X", "X"), False)
    assert options["split"].choices == ("train", "val", "test", "all")
