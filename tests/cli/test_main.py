"""The dispatcher: exit statuses, one sentence for a failure, and nothing heavy before it is needed."""

import contextlib
import logging
import re
import subprocess
import sys

import pytest

from linearityiqa.cli.commands import COMMANDS
from linearityiqa.cli.main import carry_out, main
from linearityiqa.errors import ConfigError, DataError, Interrupted

HOSTILE = "photos\x1b]0;title\x07\x9b31m\nforged: line"
"""Sets the title of a terminal and its colour, and begins a line of its own."""


def raising(failure: BaseException):
    def function(words: list[str]) -> int:
        raise failure

    return function


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (DataError("labels.csv is empty. Fill it."), 1),
        (ConfigError("p must be > 0"), 2),
        (Interrupted("stopped", 15), 143),
        (KeyboardInterrupt(), 130),
        (OSError(28, "No space left on device"), 1),
    ],
)
def test_a_failure_is_one_sentence_and_a_status(failure, status, capsys) -> None:
    assert carry_out(raising(failure), []) == status
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_traceback_only_on_request_before_or_after_the_command(capsys) -> None:
    for words in (["--traceback", "datasets", "stats"], ["datasets", "stats", "--traceback"], ["datasets", "stats"]):
        assert main([*words, "-ds", "nowhere.csv"]) == 1
        assert ("Traceback" in capsys.readouterr().err) is ("--traceback" in words)


def test_no_failure_notice_or_traceback_controls_the_terminal(capsys) -> None:
    """Oracle: the control characters of ECMA-48."""

    def function(words: list[str]) -> int:
        logging.getLogger("linearityiqa").warning("%s", HOSTILE)
        raise DataError(HOSTILE)

    carry_out(function, [])
    main(["train", HOSTILE])
    main([HOSTILE])
    main(["runs", HOSTILE])
    out, err = capsys.readouterr()
    assert out == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|^forged", err, re.MULTILINE)
    assert err.count("forged") == 5
    carry_out(function, ["--traceback"])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", capsys.readouterr().err)


@pytest.mark.parametrize("words", [["--help"], ["--help-all"], ["help"]])
def test_help_lists_every_command(words, capsys) -> None:
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["help", "score"], "usage: linearityiqa score "),
        (["help", "datasets", "check"], "usage: linearityiqa datasets check "),
        (["help", "datasets"], "usage: linearityiqa datasets SUBCOMMAND"),
        (["datasets", "--help-all"], "usage: linearityiqa datasets SUBCOMMAND"),
        (["help", "completion"], "usage: linearityiqa completion"),
    ],
)
def test_help_before_a_command_is_that_of_the_command(words, usage, capsys) -> None:
    with contextlib.suppress(SystemExit):
        main(words)
    assert capsys.readouterr().out.startswith(usage)


def test_what_is_there_in_place_of_a_command_is_to_be_scored(tmp_path, capsys) -> None:
    assert main([str(tmp_path), "--csv"]) == 2
    assert f"did you mean linearityiqa score {tmp_path} --csv?" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version(word, capsys) -> None:
    assert main([word]) == 0
    assert capsys.readouterr().out.startswith("linearityiqa ")


def test_help_and_the_package_load_no_heavy_package() -> None:
    # oracles: the interpreter's own list of loaded modules, and the metadata of the installed distribution
    code = (
        "import contextlib, sys, linearityiqa, linearityiqa.images\nfrom importlib.metadata import version\n"
        "from linearityiqa.cli import main\n"
        "assert linearityiqa.__version__ == version('linearityiqa') and '__version__' in dir(linearityiqa)\n"
        f"for command in {list(COMMANDS)}:\n"
        "    with contextlib.suppress(SystemExit):\n        main([command, '--help'])\n"
        "heavy = {'torch', 'torchvision', 'scipy', 'pandas', 'matplotlib', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["train", "-ds", "x.csv"], ["test", "--model", "x.safetensors"]])
def test_command_without_its_extra_names_it(words) -> None:
    code = (
        "import sys\nfrom importlib.abc import MetaPathFinder\n"
        "class NotInstalled(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.split('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, NotInstalled())\n"
        "from linearityiqa.cli import main\n"
        f"sys.exit(main({words}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'linearityiqa[train]'" in done.stderr


@pytest.mark.parametrize("command", ["test", "score", "crossval", "reproduce"])
def test_torchrun_is_for_train_alone(command, monkeypatch, capsys) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert main([command]) == 2
    assert capsys.readouterr().err == (
        f"error (process 1 of 2): torchrun is for train alone. Start {command} as one process.\n"
    )


@pytest.mark.parametrize(
    ("words", "stream"),
    [
        (["-h"], "stdout"),
        (["train", "--help"], "stdout"),
        (["datasets", "list"], "stdout"),
        (["tarin"], "stderr"),
        (["datasets", "stats", "-ds", "nowhere.csv"], "stderr"),
    ],
)
def test_a_reader_that_leaves_ends_a_command_without_a_traceback(words, stream) -> None:
    # oracle: a pipe whose reading end is closed before anything is written; 141 is what a shell reports of SIGPIPE
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run = subprocess.Popen([sys.executable, "-m", "linearityiqa", *words], **streams, text=True)
    getattr(run, stream).close()
    other = run.stderr if stream == "stdout" else run.stdout
    said = other.read()
    other.close()
    assert (run.wait(), said) == (141, "")


def test_output_that_is_closed_from_the_start_is_no_failure() -> None:
    command = f"{sys.executable} -m linearityiqa -h >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["tarin"], "train"), (["datasets", "lst"], "list"), (["train", "-ds", "Koniq10k"], "KonIQ-10k")],
)
def test_a_mistyped_word_is_answered_by_the_one_that_was_meant(words, meant, capsys) -> None:
    assert main(words) != 0
    assert f"did you mean {meant}?" in capsys.readouterr().err
