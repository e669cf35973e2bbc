"""Oracles: NumPy and SciPy, arithmetic by hand, a round trip that gives every bit back, lines of the paper's tool."""

import csv
import dataclasses

import numpy as np
import pytest
import scipy.stats

from linearityiqa.errors import DataError
from linearityiqa.evaluation import (
    Evaluation,
    Predictions,
    evaluate,
    paper_lines,
    read_predictions_csv,
    write_predictions_csv,
)
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import Agreement
from linearityiqa.quality import HEADS, QualityScores


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


def test_figures_of_each_head_are_of_mapped_scores(some_predictions):
    mapping = QualityScores(LinearMapping(20, 40), LinearMapping(18, 42), LinearMapping(-3, 9))
    result = evaluate(some_predictions, mapping)
    for head in HEADS:
        line, raw = getattr(mapping, head), getattr(some_predictions.scores, head)
        mapped = line.slope * raw + line.intercept
        figures = getattr(result.agreement, head)
        assert figures.srocc == pytest.approx(scipy.stats.spearmanr(mapped, some_predictions.mos).statistic)
        assert figures.plcc == pytest.approx(scipy.stats.pearsonr(mapped, some_predictions.mos).statistic)
        assert figures.rmse == pytest.approx(np.sqrt(np.mean((mapped - some_predictions.mos) ** 2)))
        outliers = np.abs(mapped - some_predictions.mos) > 2 * some_predictions.mos_std
        assert figures.outlier_ratio == pytest.approx(outliers.mean())
    assert result.agreement.fused.srocc < 0, "a falling line turns the order round"


def test_nine_lines_in_the_order_of_the_paper():
    def figures(head: int) -> Agreement:
        return Agreement(n=2, srocc=0.9 + head / 1000, plcc=0.8 + head / 1000, krocc=0.1, rmse=5 + head / 1000, mae=4.0)

    result = Evaluation(n=2, agreement=QualityScores(stage3=figures(1), stage4=figures(2), fused=figures(0)))
    assert paper_lines(result.as_dict(), "KonIQ-10k") == [
        "KonIQ-10k, SROCC: 0.900",
        "KonIQ-10k, PLCC: 0.800",
        "KonIQ-10k, RMSE: 5.000",
        "KonIQ-10k, SROCC1: 0.901",
        "KonIQ-10k, PLCC1: 0.801",
        "KonIQ-10k, RMSE1: 5.001",
        "KonIQ-10k, SROCC2: 0.902",
        "KonIQ-10k, PLCC2: 0.802",
        "KonIQ-10k, RMSE2: 5.002",
    ]


def test_constant_scores_print_as_nan():
    same = Predictions(("a", "b"), np.array([1.0, 3.0]), None, QualityScores(*np.ones((3, 2))))
    lines = paper_lines(evaluate(same, same.fit_mapping()).as_dict(), "any.csv")
    assert lines[0] == "any.csv, SROCC: nan"
    assert lines[2] == "any.csv, RMSE: 1.000"


def test_one_image_is_refused():
    one = Predictions(("a",), np.ones(1), None, QualityScores(*np.ones((3, 1))))
    with pytest.raises(DataError, match="at least 2"):
        evaluate(one, QualityScores(*[LinearMapping()] * 3))
