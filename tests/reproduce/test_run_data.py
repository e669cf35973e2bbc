"""Oracles: definitions written out as loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScores
from linearityiqa.reproduce.run_data import BhatLog, Curve

NAN = float("nan")


def curve(values):
    return Curve(np.arange(1, len(values) + 1), np.array(values, dtype=np.float64))


@given(st.lists(st.floats(allow_nan=True)), st.floats(allow_nan=False), st.booleans())
def test_first_epoch_that_reaches_a_level(values, level, lower):
    reached = [e for e, v in enumerate(values, 1) if (v <= level if lower else v >= level)]
    assert curve(values).first_reaching(level, lower_is_better=lower) == (reached[0] if reached else None)


def test_last_and_gaps_of_a_diverged_run():
    assert curve([0.1, NAN, 0.3, NAN, NAN]).last == 3
    assert curve([0.1, NAN, 0.3, NAN, NAN]).gaps == (2,)
    assert curve([]).last == 0
    assert curve([NAN]).gaps == ()
    assert np.isnan(curve([0.5]).at(2))


@pytest.mark.parametrize("steps", [[1, 1], [2, 1], [1]])
def test_steps_must_rise_and_match(steps):
    with pytest.raises(DataError):
        Curve(np.array(steps), np.array([0.1, 0.2]))


@given(st.integers(1, 40), st.integers(1, 12))
def test_epoch_means(length, per_epoch):
    head = np.arange(length) ** 2.0
    means = BhatLog(QualityScores(head, head + 1, head + 2), per_epoch).epoch_means()
    expected = [head[start : start + per_epoch].mean() for start in range(0, length, per_epoch)]
    np.testing.assert_allclose(means.stage3, expected)
    np.testing.assert_allclose(means.fused, np.array(expected) + 2)


def test_a_log_needs_equally_many_values_of_each_head():
    with pytest.raises(DataError, match="equally many"):
        BhatLog(QualityScores(np.zeros(2), np.zeros(2), np.zeros(3)), 1)
