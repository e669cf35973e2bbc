"""Oracle: the signals of this process."""

import signal

import pytest

from linearityiqa.errors import DataError, Interrupted
from linearityiqa.training.stopping import StopRequest


def test_a_signal_is_noted_and_raised_where_it_is_asked_for() -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted, match="here") as raised:
            stop.raise_if_requested("here")
    assert raised.value.exit_status == 143


def test_at_once_ends_the_block_wherever_it_is() -> None:
    reached = []

    def work(stop: StopRequest) -> None:
        with stop.at_once("may end anywhere"):
            reached.append("before")
            signal.raise_signal(signal.SIGINT)
            reached.append("after")

    with StopRequest() as stop, pytest.raises(Interrupted, match="may end anywhere"):
        work(stop)
    assert reached == ["before"]


def test_at_once_also_raises_what_was_taken_for_another_failure() -> None:
    def work(stop: StopRequest) -> None:
        with stop.at_once("stopped"):
            try:
                signal.raise_signal(signal.SIGTERM)
            except Interrupted as cause:  # as code does that explains whatever a decoder raises
                raise DataError("cannot be decoded") from cause

    with StopRequest() as stop, pytest.raises(Interrupted, match="stopped"):
        work(stop)


def test_at_once_begins_nothing_where_a_signal_has_come() -> None:
    def work(stop: StopRequest) -> None:
        with stop.at_once("stopped"):
            pytest.fail("begun")

    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            work(stop)


def test_after_the_block_a_signal_is_only_noted() -> None:
    with StopRequest() as stop:
        with stop.at_once("stopped"):
            pass
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal_number == signal.SIGTERM
