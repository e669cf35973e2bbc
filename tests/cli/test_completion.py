"""Completion. Oracle: the shells themselves; one that is not installed is skipped."""

import shutil
import subprocess

import pytest

from linearityiqa.cli.completion import SHELLS, known_commands
from linearityiqa.cli.main import main

CASES = [
    ("linearityiqa tra", {"train"}),
    ("linearityiqa train --epo", {"--epochs"}),
    ("linearityiqa train --loss_type me", {"mean-norm"}),
    ("linearityiqa train -lt ms", {"mse"}),
    ("linearityiqa datasets che", {"check"}),
    ("linearityiqa datasets check --no_near", {"--no_near_duplicates"}),
    ("linearityiqa completion fi", {"fish"}),
]


def completed(shell, line, script):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    asked = {
        "bash": '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _linearityiqa; '
        'printf "%s\\n" "${COMPREPLY[@]}"',
        "fish": 'source $argv[1]; complete -C "$argv[2..-1]"',
    }[shell]
    command = [shell, "-c", asked, *([] if shell == "fish" else ["-"]), str(script), *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return {found.partition("\t")[0] for found in done.stdout.split("\n") if found}


@pytest.fixture(scope="module")
def commands():
    return known_commands()


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(("line", "expected"), CASES)
def test_shells_complete(shell, line, expected, commands, tmp_path) -> None:
    script = tmp_path / "script"
    script.write_text(SHELLS[shell](commands))
    assert completed(shell, line, script) == expected


def test_zsh_takes_the_script(commands, tmp_path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    script = tmp_path / "script"
    script.write_text(SHELLS["zsh"](commands))
    asked = f"source {script}; print -r -- ${{_comps[linearityiqa]}}"
    done = subprocess.run(["zsh", "-f", "-c", asked], capture_output=True, text=True, check=True)
    assert "_bash_complete" in done.stdout


def test_one_command_prints_the_script(capsys) -> None:
    assert main(["completion", "bash"]) == 0
    assert "complete -o default -F _linearityiqa linearityiqa" in capsys.readouterr().out
    assert main(["completion"]) == 2
    assert main(["completion", "--help"]) == 0
    assert "source <(linearityiqa completion bash)" in capsys.readouterr().out
    assert main(["completion", "bsah"]) == 2
    assert "did you mean bash?" in capsys.readouterr().err
