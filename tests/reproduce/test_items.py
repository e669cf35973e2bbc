"""Oracles: the generated results that went in; SciPy's t-test; and the authors' published marks and figures."""

import json
import math
import re

import numpy as np
import pytest
import scipy.stats

from linearityiqa.errors import DataError
from linearityiqa.metrics import Interval
from linearityiqa.reproduce.authors_layout import AuthorsLayout
from linearityiqa.reproduce.item import draw_item, draw_items, gather
from linearityiqa.reproduce.paper import Comparison, Scale, comparison_table
from linearityiqa.reproduce.reproduction import numbers_json
from linearityiqa.reproduce.setup import ITEMS

PAPER = Scale()


def draw(name, source, scale=PAPER):
    item = ITEMS[name]
    return draw_item(item, gather(item.needs(scale), source), scale)


def test_every_item_is_drawn_at_a_small_scale_without_published_numbers(source, small):
    drawn, failures = draw_items(ITEMS.values(), source, small)
    assert not failures
    assert list(drawn) == list(ITEMS.values())
    for item, one in drawn.items():
        assert one.pictures or one.tables
        assert not one.comparisons
        text = numbers_json(item.name, one)
        assert json.loads(text)["item"] == item.name
        assert "KonIQ" not in text
        assert not any("KonIQ" in picture.caption for picture in one.pictures.values())


def test_fig1_marks_the_first_epoch_that_reaches_the_level(make_source):
    curves = {"norm-in-norm": [0.5, 0.6, 0.7], "mse": [0.2, 0.5, 0.6], "mae": [0.1, 0.2, 0.3]}
    falling = {loss: [10 - 10 * value for value in values] for loss, values in curves.items()}
    source = make_source(curves=lambda need: (falling if need.metric == "RMSE" else curves)[need.run.loss_type])
    drawn = draw("fig1", source)
    found = {(one["loss"], one["split"], one["metric"]): one["epoch"] for one in drawn.numbers["crossings"]}
    for split in ("train", "val", "test"):
        for metric in ("SROCC", "PLCC", "RMSE"):
            assert found["norm-in-norm", split, metric] == 1
            assert found["mse", split, metric] == 2
            assert found["mae", split, metric] is None
    stars = [line for ax in drawn.pictures["fig1"].figure.axes for line in ax.lines if line.get_marker() == "*"]
    assert len(stars) == 9 * 2
    assert "MAE never reaches Norm-in-Norm's first-epoch level in 3 epochs." in drawn.sentences
    assert (
        "MSE first reaches Norm-in-Norm's first-epoch level at epoch 2: a speed-up of 2 times in epochs."
        in drawn.sentences
    )


def test_fig1_says_in_how_many_panels_a_level_is_never_reached(make_source):
    def curves(need):
        if need.run.loss_type == "norm-in-norm":
            return [0.5, 0.4]
        return [0.4, 0.5] if need.metric == "SROCC" else [0.6, 0.6] if need.metric == "RMSE" else [0.4, 0.4]

    assert (
        "MSE first reaches Norm-in-Norm's first-epoch level at epoch 2 in 3 of 9 panels: a speed-up of 2 times in "
        "epochs; in the other 6 it never does in 2 epochs." in draw("fig1", make_source(curves=curves)).sentences
    )


def test_fig1_needs_norm_in_norms_first_epoch(make_source):
    without = make_source(curves=lambda need: [math.nan, 0.5] if need.run.loss_type == "norm-in-norm" else None)
    with pytest.raises(DataError, match="no train SROCC at epoch 1"):
        draw("fig1", without)


def test_a_diverged_run_ends_its_curve_and_gaps_are_said(make_source):
    def curves(need):
        if need.run.loss_type == "mse" and need.run.learning_rate == 1e-3:
            return [0.5]
        if need.run.loss_type == "mae" and need.run.learning_rate == 1e-3:
            return []
        if need.run.loss_type == "mae" and need.run.batch_size == 4:
            return [0.1, math.nan, 0.3, 0.4, 0.5]
        return None

    drawn = draw("fig5", make_source(curves=curves))
    assert set(drawn.sentences) == {
        "MSE, learning rate 1e-3: the curve ends after epoch 1 of 5; the run diverged.",
        "MAE, learning rate 1e-3: the curve ends in its first epoch; the run diverged.",
        "MAE, batch size 4: no value at epoch 2 (not a number).",
    }
    legends = [ax.get_legend() for ax in drawn.pictures["fig5-lr"].figure.axes]
    notes = [legend.get_title().get_text() for legend in legends if legend]
    assert notes == ["learning rate 1e-3 diverged\n(epoch 1)", "learning rate 1e-3 diverged\n(epoch 2)"]
    gap = next(row for row in drawn.numbers["bs"] if row["loss"] == "mae" and row["value"] == "4")
    assert gap["values"] == [0.1, None, 0.3, 0.4, 0.5]


def test_missing_runs_leave_empty_cells_in_a_table_and_are_said(make_source):
    drawn = draw("tab1", make_source(lacks=lambda need: need.run.q == 1.0 and need.run.architecture == "resnet50"))
    missing = [row for row in drawn.tables["tab1"].rows if row[3] is None]
    assert [row[:3] for row in missing] == [["resnet50", "1", "1"], ["resnet50", "2", "1"]]
    assert drawn.sentences[-1].startswith("2 of 16 results are missing or damaged, the first: predictions on")


def test_predictions_of_a_diverged_run_are_a_missing_result(source, monkeypatch):
    given = source.predictions

    def diverged(need):
        found = given(need)
        if need.run.loss_type == "mae":
            found.predictions.scores.fused[3] = math.nan
        return found

    monkeypatch.setattr(source, "predictions", diverged)
    drawn = draw("tabA2", source)
    assert [row[2] is None for row in drawn.tables["tabA2"].rows] == [True, False, False, True, False, False]
    assert "4 of 12 results are missing or damaged" in drawn.sentences[-1]
    assert "the run diverged" in drawn.sentences[-1]


def test_an_item_with_no_result_at_all_fails(make_source):
    with pytest.raises(DataError, match="tab1: 16 of 16"):
        draw("tab1", make_source(lacks=lambda need: True))


def test_figure_6_bars_are_the_agreement(source):
    drawn = draw("fig6", source)
    koniq, clive = drawn.pictures["fig6"].figure.axes
    by_key = {(one["architecture"], one["loss"], one["database"]): one for one in drawn.numbers["agreement"]}
    losses = ("mae", "mse", "norm-in-norm")
    expected = [by_key[name, loss, "KonIQ-10k"]["PLCC"] for loss in losses for name in PAPER.backbones]
    assert [bar.get_height() for bar in koniq.patches] == expected
    expected = [by_key[name, loss, "CLIVE"]["SROCC"] for loss in losses for name in PAPER.backbones]
    assert [bar.get_height() for bar in clive.patches] == expected
    assert len(drawn.comparisons) == 24


def test_the_t_test_is_scipys(source):
    drawn = draw("ttest", source)
    plcc = np.array([row[1:] for row in drawn.tables["ttest-splits"].rows], dtype=np.float64)
    for test, column in zip(drawn.numbers["tests"], (0, 1), strict=True):
        expected = scipy.stats.ttest_rel(plcc[:, 2], plcc[:, column])
        assert test["t"] == pytest.approx(expected.statistic)
        assert test["p"] == pytest.approx(expected.pvalue)
        assert test["splits"] == 10


def test_the_t_test_uses_complete_splits_only(make_source):
    drawn = draw("ttest", make_source(lacks=lambda need: need.run.exp_id == 3 and need.run.loss_type == "mae"))
    assert [test["splits"] for test in drawn.numbers["tests"]] == [9, 9]
    drawn = draw("ttest", make_source(lacks=lambda need: need.run.exp_id > 0))
    assert drawn.numbers["tests"][0]["p"] is None
    assert "no t-test" in drawn.sentences[0]


def test_figures_a1_and_a2(source):
    iterations, epochs = draw("figA1", source), draw("figA2", source)
    assert len(iterations.numbers["fused"]) == 21
    assert epochs.numbers["epochs"] == [1, 2, 3]
    assert epochs.numbers["stage4"][1] == pytest.approx(np.mean(iterations.numbers["stage4"][7:14]))
    lines = {line.get_label(): line for line in iterations.pictures["figA1"].figure.axes[0].lines}
    assert lines["stage 3"].get_ydata().tolist() == iterations.numbers["stage3"]


def test_published_figure_1_has_the_authors_marks_but_one(real_data):
    drawn = draw("fig1", AuthorsLayout(real_data / "paper"))
    computed = {(one["loss"], one["split"], one["metric"]): one for one in drawn.numbers["crossings"]}
    epochs = {key[:2]: [] for key in computed}
    for key, one in computed.items():
        epochs[key[:2]].append(one["epoch"])
    assert epochs["mae", "train"] == [10, 9, 9]
    assert epochs["mae", "val"] == epochs["mae", "test"] == [11, 11, 11]
    assert epochs["mse", "train"] == [8, 8, 8]
    assert epochs["mse", "val"] == [8, 10, 8]
    assert epochs["mse", "test"] == [10, 10, 10]
    assert [s for s in drawn.sentences if "differ" in s] == [
        "The computed epochs differ from the authors' own marks in 1 place: "
        "MSE, validation PLCC: computed 10, marked 8."
    ]


def test_published_diverged_runs_are_found(real_data):
    sentences = draw("fig5", AuthorsLayout(real_data / "paper")).sentences
    assert [re.sub(r":.*epoch (\d+).*", r": \1", one) for one in sentences] == [
        "MAE, learning rate 1e-3: 9",
        "MSE, learning rate 1e-3: 1",
        "MAE, backbone's share of the learning rate 1: 9",
    ]


def test_comparison_says_whether_the_published_value_is_inside():
    interval = Interval(low=0.92, high=0.94, confidence=0.95)
    inside = Comparison("PLCC", 0.93, 0.935, "somewhere", interval)
    outside = Comparison("PLCC", 0.93, 0.95, "somewhere", interval)
    unknown = Comparison("epoch", 8.0, 10.0, "somewhere")
    assert (inside.inside, outside.inside, unknown.inside) == (True, False, None)
    assert outside.as_dict()["difference"] == pytest.approx(-0.02)
    assert [row[5] for row in comparison_table([inside, outside, unknown]).rows] == ["yes", "no", None]
