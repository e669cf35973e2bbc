"""Progress: a bar on a terminal, lines elsewhere. Oracle: a clock that the test itself turns."""

import io
import logging
import sys

import pytest

from linearityiqa import console
from linearityiqa.console import track


@pytest.fixture
def clock(monkeypatch, caplog):
    """A clock that stands still until `clock(seconds)`."""
    now = 1000.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    caplog.set_level(logging.INFO, logger="linearityiqa")

    def turn(seconds: float) -> None:
        nonlocal now
        now += seconds

    return turn


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


def test_lines_come_every_half_minute_and_say_how_far_it_is_and_what_follows(clock, caplog):
    batches = track(
        range(30),
        "epoch 2/4",
        unit="batch",
        images=lambda _: 8,
        note=lambda: "loss 0.5",
        afterwards=lambda each: 2 * 30 * each + 600,
    )
    for _ in batches:
        clock(10)
    # 10 s a batch: 20 batches are left after 10, then two epochs of 300 s and 600 s of evaluation
    assert len(caplog.messages) == 10
    assert caplog.messages[3] == "epoch 2/4: batch 12 of 30, loss 0.5, 0.8 images/s, 3 min left (23 min in all)"


def test_work_of_unknown_length_says_how_much_is_done(clock, caplog):
    for _ in track(iter(range(2)), "scoring"):
        clock(20)
    assert caplog.messages == ["scoring: 2"]


def test_a_terminal_shows_a_bar_and_no_lines(clock, caplog, terminal):
    screen = terminal()
    for _ in track(range(3), "epoch 1/3", note=lambda: "loss 0.25"):
        clock(60)
    assert all(text in screen.getvalue() for text in ("epoch 1/3", "3/3", "loss 0.25"))
    assert caplog.messages == []


def test_without_a_bar_a_terminal_has_lines(clock, caplog, terminal):
    terminal()
    for _ in track(range(1), "epoch 1/3", bar=False):
        clock(60)
    assert caplog.messages == ["epoch 1/3: 1 of 1, 0 s left"]


def test_nothing_is_told_unless_enabled(clock, caplog, terminal):
    screen = terminal()
    for _ in track(range(3), "epoch 1/3", enabled=False):
        clock(60)
    assert (screen.getvalue(), caplog.messages) == ("", [])


def test_no_text_of_a_user_controls_the_terminal_or_is_markup_in_a_bar(terminal):
    """Oracle: the control characters of ECMA-48, and rich's markup, which a closing tag alone breaks."""
    screen = terminal()
    console.say("one\nerror: forged\x1b]0;title\x07\x9b31m\u202e", "a\u202fb", file=screen)
    assert screen.getvalue() == "one\\nerror: forged\\x1b]0;title\\x07\\x9b31m\\u202e\na\u202fb\n"
    assert list(track(range(2), "photos[/b]\x1b]0;title\x07")) == [0, 1]
    assert "photos[/b]\\x1b]0;title\\x07" in screen.getvalue()
