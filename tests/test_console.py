"""Progress: a bar on a terminal, lines elsewhere. Oracle: what the work itself sees while it waits for a line."""

import io
import logging
import sys
import threading

import pytest

from linearityiqa import console
from linearityiqa.console import Meter, track, working


@pytest.fixture
def lines(monkeypatch):
    """The lines so far, with an event that each new one sets; they come every hundredth of a second."""

    class Lines(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.said: list[str] = []
            self.new = threading.Event()

        def emit(self, record: logging.LogRecord) -> None:
            self.said.append(record.getMessage())
            self.new.set()

        def wait_for(self, text: str) -> None:
            while not any(text in line for line in self.said):
                assert self.new.wait(20), f"no line with {text!r} among {self.said}"
                self.new.clear()

    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", 0.01)
    handler, logger = Lines(), logging.getLogger("linearityiqa")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def make() -> Terminal:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stderr", Terminal())  # by the test itself: before it, pytest sets its own
        return sys.stderr

    return make


def test_lines_say_how_far_it_is_even_while_one_item_takes_long(lines):
    for item in track(range(4), "epoch 1/3", unit="batch", images=lambda _: 8, note=lambda: "loss 0.25"):
        if item == 0:
            lines.wait_for("epoch 1/3: batch 0 of 4, loss 0.25")
        elif item == 2:
            lines.wait_for("epoch 1/3: batch 2 of 4, loss 0.25, ")
    assert "images/s" in lines.said[-1]
    assert "left" in lines.said[-1]


def test_the_innermost_work_is_told_and_then_the_outer_one_again(lines):
    with working("training"):
        lines.wait_for("training: ")
        for _ in track([1], "val set"):
            lines.wait_for("val set: 0 of 1")
        lines.said.clear()
        lines.wait_for("training: ")
    count = len(lines.said)
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]
    assert len(lines.said) == count


def test_a_terminal_shows_a_bar_and_no_lines(lines, terminal):
    screen = terminal()
    assert list(track(range(3), "epoch 1/3", note=lambda: "loss 0.25")) == [0, 1, 2]
    assert "epoch 1/3" in screen.getvalue()
    assert "3/3" in screen.getvalue()
    assert "loss 0.25" in screen.getvalue()
    assert lines.said == []


def test_without_a_bar_a_terminal_has_lines(lines, terminal):
    screen = terminal()
    for _ in track(range(1), "epoch 1/3", bar=False):
        lines.wait_for("epoch 1/3: 0 of 1")
    # but for the line, where an earlier test had logs written to standard error
    assert screen.getvalue().replace("epoch 1/3: 0 of 1\n", "") == ""


def test_nothing_is_told_unless_enabled(lines, terminal):
    screen = terminal()
    assert list(track(range(3), "epoch 1/3", enabled=False)) == [0, 1, 2]
    assert (screen.getvalue(), lines.said) == ("", [])


def fail_inside() -> None:
    with working("training"):
        for _ in track(iter(int, 1), "forever"):
            raise ZeroDivisionError


def test_a_failure_ends_the_bar_and_the_lines(terminal):
    terminal()
    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]


def test_time_left_is_that_of_the_items_and_of_what_comes_after(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    meter = Meter("epoch 2/4", 30, "batch", lambda: "loss 0.5", lambda each: 2 * 30 * each + 600)
    for _ in range(10):
        meter.advance(8)
    now += 100
    # 10 s a batch: 20 batches are left, then two epochs of 300 s and 600 s of evaluation
    expected = "epoch 2/4: batch 10 of 30, loss 0.5, 0.8 images/s, 3 min left (23 min in all)"
    assert meter.line() == expected


def test_no_text_of_a_user_controls_the_terminal_or_is_markup_in_a_bar(terminal):
    """Oracle: the control characters of ECMA-48, and rich's markup, which a closing tag alone breaks."""
    screen = terminal()
    console.say("one\nerror: forged\x1b]0;title\x07\x9b31m\u202e", "a\u202fb", file=screen)
    assert screen.getvalue() == "one\\nerror: forged\\x1b]0;title\\x07\\x9b31m\\u202e\na\u202fb\n"
    assert list(track(range(2), "photos[/b]\x1b]0;title\x07")) == [0, 1]
    assert "photos[/b]\\x1b]0;title\\x07" in screen.getvalue()
