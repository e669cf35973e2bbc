"""Oracles: files typed by hand, and definitions written out as loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScores
from linearityiqa.run_folders import BhatLog, Curve, last_epoch, read_bhat, read_curve, read_curves

METRICS = """epoch,split,SROCC,PLCC
1,train,,
1,val,0.5,0.25
2,train,0.75,
2,val,,0.5
"""


def test_a_curve_has_the_steps_of_its_split_and_nan_where_nothing_is(tmp_path):
    (tmp_path / "metrics.csv").write_text(METRICS)
    (tmp_path / "timing.csv").write_text("epoch,phase,seconds\n1,train,2\n1,evaluate,1\n2,train,2.5\n")
    curve = read_curve(tmp_path, "val", "SROCC")
    np.testing.assert_array_equal(curve.steps, [1, 2])
    np.testing.assert_array_equal(curve.values, [0.5, np.nan])
    np.testing.assert_array_equal(curve.wall_times, [3, 5.5])
    np.testing.assert_array_equal(read_curve(tmp_path, "train", "SROCC").values, [np.nan, 0.75])
    assert len(read_curve(tmp_path, "test", "SROCC").steps) == 0
    assert last_epoch(tmp_path) == 2
    assert read_curves(tmp_path)["val"]["PLCC"] == [0.25, 0.5]


def test_wall_times_are_none_where_they_are_not_known(tmp_path):
    (tmp_path / "metrics.csv").write_text(METRICS)
    assert read_curve(tmp_path, "val", "PLCC").wall_times is None
    (tmp_path / "timing.csv").write_text("epoch,phase,seconds\n1,train,2\n")
    assert read_curve(tmp_path, "val", "PLCC").wall_times is None


def test_a_log_of_b_is_cut_into_epochs(tmp_path):
    (tmp_path / "bhat.csv").write_text("iteration,fused,stage3,stage4\n1,1,4,7\n2,2,5,8\n3,3,6,9\n4,0,0,0\n")
    log = read_bhat(tmp_path, 2)
    assert log.iterations_per_epoch == 2
    np.testing.assert_array_equal(log.values.stage3, [4, 5, 6, 0])
    np.testing.assert_array_equal(log.epoch_means().fused, [1.5, 1.5])
    with pytest.raises(DataError, match="4 iterations, which 3 epochs cannot have"):
        read_bhat(tmp_path, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column epoch"),
        ("epoch,split\n1,val\n", "no column SROCC"),
        ("epoch,split,SROCC\n1,val\n", "too few"),
        ("epoch,split,SROCC\n1,val,1,2\n", "too many"),
        ("epoch,split,SROCC\none,val,1\n", "line 2: epoch is 'one', not a number"),
        ("epoch,split,SROCC\n1,val,good\n", "line 2: SROCC is 'good', not a number"),
        ("epoch,split,SROCC\n2,val,1\n1,val,1\n", "do not rise"),
    ],
)
def test_damaged_metrics_are_one_sentence(tmp_path, text, message):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_curve(tmp_path, "val", "SROCC")


def test_no_metrics_no_epoch(tmp_path):
    assert last_epoch(tmp_path) == 0
    with pytest.raises(DataError, match=r"metrics\.csv"):
        read_curve(tmp_path, "val", "SROCC")


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
