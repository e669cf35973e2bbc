"""The tutorial, command by command. Oracle: the page itself; numbers are compared with a tolerance.

With UPDATE_DOCS=1 in the environment, what the commands print is written into the page instead.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fences import PROMPT, ROOT, Fence, fences, steps

pytestmark = pytest.mark.slow

for module in ("torch", "skimage", "onnx", "onnxscript", "fastapi"):
    pytest.importorskip(module, reason="the tutorial takes the extras train, demo, export and serve")

CARRIED_OUT = ("docs/tutorial.md",)
"""Pages whose console blocks are run, each in a folder of its own."""
VARYING = "<!-- numbers vary -->"
"""Stands before blocks whose numbers are those of a training run, or times."""
FOLDER = "/home/you"
"""Stands for the folder that the commands are carried out in."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
TOLERANCE = 0.01
"""Of other numbers: scores differ between processors in their last digits."""
SERVE_SECONDS = 120


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with this interpreter's `python` and `linearityiqa` first on the path."""
    for name, words in (("python", ""), ("linearityiqa", "-m linearityiqa")):
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("COLUMNS", "100")
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("name", CARRIED_OUT)
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial asks the service with curl")
def test_every_command_prints_what_the_page_says(name: str, shell: Path) -> None:
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for fence in fences(page):
            if fence.language == "console":
                text = text.replace("\n".join(fence.lines), "\n".join(carried_out(fence, servers)), 1)
            elif fence.language == "python":
                subprocess.run([sys.executable, "-c", "\n".join(fence.lines)], check=True)
    finally:
        for server in servers:
            server.terminate()
            server.wait(timeout=60)
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(text, encoding="utf-8")


def carried_out(fence: Fence, servers: list[subprocess.Popen[bytes]]) -> list[str]:
    """The lines of a console block with what its commands print now, compared with what the page says they do."""
    lines: list[str] = []
    for step in steps(fence):
        if step.command.endswith("&"):
            servers.append(started(step.command.removesuffix("&")))
            found = ""
        else:
            done = subprocess.run(step.command, shell=True, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, f"{step.command}\n{done.stderr}"
            found = done.stdout.rstrip("\n").replace(str(Path.cwd()), FOLDER)
        if not os.environ.get("UPDATE_DOCS"):
            assert alike(found, step.output, varying=fence.comment == VARYING), f"{step.command} prints:\n{found}"
        lines += [PROMPT + step.command, *found.splitlines()]
    return lines


def started(command: str) -> subprocess.Popen[bytes]:
    """A service that answers on the port that its command names."""
    port = int(command.split("--port")[1].split()[0])
    server = subprocess.Popen(["/bin/sh", "-c", f"exec {command}"])
    deadline = time.monotonic() + SERVE_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.2)
    raise AssertionError(f"{command}: nothing listens on port {port}")


def alike(found: str, expected: str, *, varying: bool) -> bool:
    """Whether two outputs have the same words, and the same numbers but for rounding; with `varying`, any numbers."""
    if (
        varying
    ):  # columns are as wide as their numbers, and a verdict hangs on them: only the start of lines is compared
        return first_words(found) == first_words(expected)
    words = [re.sub(r"[ ─-]+", " ", NUMBER.sub("#", text)) for text in (found, expected)]
    numbers = [[float(value) for value in NUMBER.findall(text)] for text in (found, expected)]
    return words[0] == words[1] and numbers[0] == pytest.approx(numbers[1], rel=TOLERANCE, abs=TOLERANCE)


def first_words(text: str) -> list[str]:
    """The word that each line begins with, without those of notes and verdicts."""
    lines = (
        line.split()
        for line in text.splitlines()
        if not line.startswith(("Note:", "No difference", "normed is", "squared is"))
    )
    return [NUMBER.sub("#", words[0]).strip("-") for words in lines if words]
