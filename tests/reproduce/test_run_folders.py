"""Oracle: files typed by hand."""

import numpy as np
import pytest

from linearityiqa.errors import DataError
from linearityiqa.reproduce.run_folders import last_epoch, read_bhat, read_curve, read_curves

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
        ("epoch,split,SROCC\none,val,1\n", "'one', no whole number"),
        ("epoch,split,SROCC\n1,val,good\n", "'good' is not a number"),
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
