"""Oracles: NumPy's polynomial fit, arithmetic by hand, a round trip that gives every bit back, Python's CSV reader."""

import csv
import dataclasses

import numpy as np
import pytest

from linearityiqa.errors import DataError
from linearityiqa.evaluation import Predictions, read_predictions_csv, write_predictions_csv
from linearityiqa.quality import QualityScores


def test_mapping_is_the_least_squares_line_of_each_head(some_predictions):
    mapping = some_predictions.fit_mapping()
    for line, scores in zip(mapping, some_predictions.scores, strict=True):
        np.testing.assert_allclose([line.slope, line.intercept], np.polyfit(scores, some_predictions.mos, 1))


@pytest.mark.parametrize("column", ["mos", "mos_std", "stage4"])
def test_columns_of_unequal_length_are_refused(column):
    columns = {name: np.zeros(3) for name in ("mos", "mos_std", "stage3", "stage4", "fused")}
    columns[column] = np.zeros(2)
    mos, mos_std, *scores = columns.values()
    with pytest.raises(DataError, match=f"predictions of 3 images have {column} of shape"):
        Predictions(("a", "b", "c"), mos, mos_std, QualityScores(*scores))


def test_round_trip_gives_every_bit_back(tmp_path, some_predictions):
    mapping = some_predictions.fit_mapping()
    path = tmp_path / "new folder" / "predictions.csv"
    write_predictions_csv(path, some_predictions, mapping)
    saved, mapped = read_predictions_csv(path), some_predictions.mapped(mapping)
    assert saved.names == some_predictions.names
    np.testing.assert_array_equal(saved.mos, some_predictions.mos)
    np.testing.assert_array_equal(saved.mos_std, some_predictions.mos_std)
    np.testing.assert_array_equal(saved.prediction, mapped.fused)
    np.testing.assert_array_equal(saved.prediction_stage3, mapped.stage3)
    np.testing.assert_array_equal(saved.prediction_stage4, mapped.stage4)


def test_columns_stand_in_the_documented_order(tmp_path, some_predictions):
    write_predictions_csv(tmp_path / "p.csv", some_predictions, some_predictions.fit_mapping())
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["image_name", "mos", "mos_std", "prediction", "prediction_stage3", "prediction_stage4"]
    assert rows[3][0] == "photo 3, of 40.jpg"
    assert float(rows[3][1]) == some_predictions.mos[3]


def test_unknown_deviations_have_no_column(tmp_path, some_predictions):
    without = dataclasses.replace(some_predictions, mos_std=None)
    write_predictions_csv(tmp_path / "p.csv", without, without.fit_mapping())
    assert "mos_std" not in (tmp_path / "p.csv").read_text(encoding="utf-8")
    assert read_predictions_csv(tmp_path / "p.csv").mos_std is None


def test_a_failed_write_keeps_the_old_file(tmp_path, some_predictions):
    path = tmp_path / "p.csv"
    path.write_text("old")
    unwritable = dataclasses.replace(some_predictions, names=("\ud800",) * 40)
    with pytest.raises(UnicodeEncodeError):
        write_predictions_csv(path, unwritable, some_predictions.fit_mapping())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_other_methods_need_three_columns_only(tmp_path):
    (tmp_path / "p.csv").write_text("prediction,image_name,mos,comment\n0.5,a.png,40,good\n0.25,b.png,30,\n")
    saved = read_predictions_csv(tmp_path / "p.csv")
    assert saved.names == ("a.png", "b.png")
    np.testing.assert_array_equal(saved.prediction, [0.5, 0.25])
    assert saved.mos_std is None
    assert saved.prediction_stage3 is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_name,mos\na,1\nb,2\n", "no column prediction"),
        ("image_name,prediction\na,1\nb,2\n", "no column mos"),
        ("mos,prediction\n1,1\n2,2\n", "no column image_name"),
        ("image_name,mos,prediction\na,1,2\nb,x,3\n", "line 3: mos is 'x'"),
        ("image_name,mos,prediction\na,1,nan\nb,2,3\n", "line 2: prediction is 'nan'"),
        ("image_name,mos,prediction\na,1,1\nb,2,inf\n", "line 3: prediction is 'inf'"),
        ("image_name,mos,prediction,mos_std\na,1,1,2\nb,2,3,\n", "line 3: mos_std is empty"),
        ("image_name,mos,prediction\na,1,1\nb,2,3\na,4,4\n", r"line 4: a is already in .*line 2"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_predictions_csv(tmp_path / "p.csv")
