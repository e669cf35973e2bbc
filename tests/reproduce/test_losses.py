"""Oracles: curves typed by hand, whose leads, epochs and shares can be counted; SciPy's interval of a mean."""

import json
import re

import numpy as np
import pytest
import scipy.stats

from linearityiqa.config import ReproduceConfig
from linearityiqa.reproduce.arms import ARMS, SETTINGS, arm_run
from linearityiqa.reproduce.item import CurveNeed, draw_item, gather
from linearityiqa.reproduce.losses import LOSSES_OVER_SEEDS
from linearityiqa.reproduce.paper import Scale
from linearityiqa.reproduce.reproduction import numbers_json
from linearityiqa.reproduce.setup import FURTHER, ITEMS, Setup, chosen_items

SCALE = Scale(seeds=(1, 2, 3))
# of the first seed; validation is best in epoch 2, but for MSE as given, which rises to the end
SROCC = {
    "Norm-in-Norm": [0.60, 0.70, 0.68],
    "MSE, MOS as given": [0.40, 0.50, 0.58],
    "MSE, standardised MOS": [0.60, 0.69, 0.68],
    "MAE, MOS as given": [0.10, 0.20, 0.15],
    "MAE, standardised MOS": [0.50, 0.66, 0.60],
}
STEP = {"Norm-in-Norm": 0.01, "MSE, MOS as given": 0.02, "MAE, standardised MOS": 0.04}
"""How much better each further seed is; the other arms do not depend on it."""


def by_hand(need: CurveNeed) -> list[float]:
    (arm,) = (name for name, arm in ARMS.items() if arm == (need.run.loss_type, need.run.label_scale))
    values = [value + STEP.get(arm, 0.0) * (need.run.seed - 1) for value in SROCC[arm]]
    if need.split == "test":
        values = [values[2] + 0.1, values[0], values[1] + 0.05]  # neither the order nor the best epoch of validation
    if need.metric == "PLCC":
        values = [value + 0.02 for value in values]
    return [20 - 10 * value for value in values] if need.metric == "RMSE" else values


def draw(source, scale=SCALE):
    return draw_item(LOSSES_OVER_SEEDS, gather(LOSSES_OVER_SEEDS.needs(scale), source), scale)


def rows_of(table):
    """The cells of each row, by arm, split and, where the table has it, time."""
    keys = 3 if "When" in table.columns else 2
    return {tuple(row[:keys]): row[keys:] for row in table.rows}


def half_width(values):
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=scipy.stats.sem(values))
    return (high - low) / 2


def test_runs_are_the_papers_with_the_first_seed_and_new_ones_with_the_others():
    scale = Scale()
    runs = LOSSES_OVER_SEEDS.runs(scale)
    assert len(set(runs)) == len(ARMS) * len(scale.seeds)
    assert set(ITEMS["fig1"].runs(scale)) <= set(runs)
    assert set(ITEMS["fig1"].needs(scale)) <= set(LOSSES_OVER_SEEDS.needs(scale))


def test_all_means_the_papers_items_alone():
    assert chosen_items(["all"]) == tuple(ITEMS.values())
    assert chosen_items(["settings", "FIG1", "losses"]) == (ITEMS["fig1"], LOSSES_OVER_SEEDS, SETTINGS)
    assert not FURTHER.keys() & ITEMS.keys()


def test_seeds_count_up_from_the_commands_own():
    setup = Setup(ReproduceConfig(seed=5, seeds=2))
    assert setup.scale.seeds == (5, 6)
    jobs = setup.jobs([LOSSES_OVER_SEEDS])
    assert [job.config.optimiser.seed for job in jobs] == [5] * 5 + [6] * 5
    assert [job.config.optimiser.label_scale for job in jobs[:5]] == ["given", "given", "standard", "given", "standard"]
    assert all(job.config.run.test_during_training for job in jobs)


def test_figures_are_read_after_one_epoch_and_where_validation_is_best(make_source):
    drawn = draw(make_source(curves=by_hand))
    found = rows_of(drawn.tables["losses-agreement"])
    half = f"± {half_width([0.60, 0.61, 0.62]):.3f}"
    assert found["Norm-in-Norm", "validation", "epoch 1"][0] == f"0.610 {half}"
    assert (
        found["Norm-in-Norm", "validation", "chosen epoch"][1] == f"0.730 {half}"
    )  # PLCC in the second epoch of three
    assert found["Norm-in-Norm", "test", "epoch 1"][0] == f"0.790 {half}"
    assert found["Norm-in-Norm", "test", "chosen epoch"][0] == f"0.610 {half}"  # not the best one on the test set
    assert found["MSE, MOS as given", "test", "chosen epoch"][0].startswith("0.570 ")  # the third
    assert found["Norm-in-Norm", "validation", "chosen epoch"][2].startswith("12.90 ")
    numbers = json.loads(numbers_json("losses", drawn))
    (one,) = (row for row in numbers["agreement"] if row["arm"] == "Norm-in-Norm" and row["split"] == "test"
              and (row["metric"], row["when"]) == ("SROCC", "chosen epoch"))  # fmt: skip
    assert one["by_seed"] == pytest.approx({"1": 0.60, "2": 0.61, "3": 0.62})
    assert one["interval"] == pytest.approx([0.61 - half_width([0.60, 0.61, 0.62]), 0.61 + half_width([0, 0.01, 0.02])])


def test_the_chosen_epoch_is_that_of_training_which_knows_no_sign(make_source):
    source = make_source(curves=lambda need: [0.1, -0.6, 0.2] if need.split == "val" else [0.3, 0.4, 0.5])
    assert (
        rows_of(draw(source).tables["losses-agreement"])["MSE, MOS as given", "test", "chosen epoch"][0]
        == "0.400 ± 0.000"
    )


def test_leads_are_better_or_worse_whatever_the_figure(make_source):
    found = rows_of(draw(make_source(curves=by_hand)).tables["losses-leads"])
    half = half_width([0, 0.01, 0.02])
    assert found["MSE, standardised MOS", "validation", "epoch 1"][0] == f"+0.010 ± {half:.3f}"
    assert (
        found["MSE, standardised MOS", "validation", "epoch 1"][2] == f"+0.10 ± {10 * half:.2f}"
    )  # RMSE, of which less is more
    assert found["MAE, standardised MOS", "validation", "chosen epoch"][0] == f"+0.010 ± {3 * half:.3f}"


def test_first_epochs_are_those_of_each_seed(make_source):
    source = make_source(curves=by_hand, lacks=lambda need: need.run == arm_run(SCALE, "MSE, standardised MOS", 2))
    drawn = draw(source)
    found = rows_of(drawn.tables["losses-epochs"])
    numbers = json.loads(numbers_json("losses", drawn))["first_epochs"]
    assert {"arm": "MSE, standardised MOS", "split": "train", "metric": "RMSE", "by_seed": {"1": 1, "3": 2}} in numbers
    assert found["MSE, standardised MOS", "training"] == ["1, –, 2"] * 3
    assert found["MAE, standardised MOS", "validation"] == ["2, 2, 2"] * 3
    assert found["MSE, MOS as given", "training"] == ["never, never, 3"] * 3


def test_share_of_the_scale_is_what_standardising_brings_of_the_lead(make_source):
    def curves(need):
        lead = {"norm-in-norm": 0.12 + 0.01 * need.run.seed, "mse": 0.0}.get(need.run.loss_type, 0.13)
        if need.run.label_scale == "standard":
            lead = 0.11
        if need.run.loss_type == "mae" and need.run.label_scale == "given":
            lead = 0.1 * (need.run.seed - 1) - 0.02  # worse than Norm-in-Norm on average, and not with the third seed
        return [0.5 + lead] * 2

    table = draw(make_source(curves=curves)).tables["losses-scale"]
    rows = {tuple(row[:3]): row[3:] for row in table.rows}
    half = half_width([0.13, 0.14, 0.15])
    assert rows["MSE", "SROCC", "epoch 1"] == [
        f"+0.140 ± {half:.3f}", "+0.110 ± 0.000", f"+0.030 ± {half:.3f}", "79% (73% to 85%)",
    ]  # fmt: skip
    assert rows["MAE", "SROCC", "epoch 1"][0].startswith("+0.060 ")
    assert rows["MAE", "SROCC", "epoch 1"][3] is None  # a lead that three seeds do not show


def test_parts_of_a_lead_are_of_the_same_seeds(make_source):
    lacking = make_source(curves=by_hand, lacks=lambda need: need.run == arm_run(SCALE, "Norm-in-Norm", 3))
    (row,) = (row for row in draw(lacking).tables["losses-scale"].rows if row[:3] == ["MSE", "SROCC", "chosen epoch"])
    assert all(cell.endswith(" (2)") for cell in row[3:6])
    whole, scale, rest = (float(cell.partition(" ")[0]) for cell in row[3:6])
    assert whole == pytest.approx(scale + rest)


def test_curves_are_means_and_the_level_norm_in_norms(make_source):
    pictures = draw(make_source(curves=by_hand)).pictures
    axes = pictures["losses"].figure.axes
    lines = {line.get_label(): line.get_ydata() for line in axes[3].lines}
    for arm, values in SROCC.items():
        np.testing.assert_allclose(lines[arm], np.array(values) + STEP.get(arm, 0.0))
    levels = [line.get_ydata()[0] for ax in axes for line in ax.lines if line.get_label() not in ARMS]
    np.testing.assert_allclose(levels, [0.61, 0.63, 13.9] * 2 + [0.79, 0.81, 12.1])
    np.testing.assert_allclose(
        pictures["losses-test"].figure.axes[0].lines[0].get_ydata(), axes[6].lines[0].get_ydata()
    )


def test_a_diverged_run_counts_up_to_there_has_no_chosen_epoch_and_is_named(make_source):
    def curves(need):
        diverges = need.run == arm_run(SCALE, "MSE, MOS as given", 2)
        return by_hand(need)[:2] if diverges else by_hand(need)

    drawn = draw(make_source(curves=curves))
    found = rows_of(drawn.tables["losses-agreement"])
    assert re.fullmatch(r"0\.420 ± [\d.]+", found["MSE, MOS as given", "validation", "epoch 1"][0])
    assert re.fullmatch(r"0\.600 ± [\d.]+ \(2\)", found["MSE, MOS as given", "validation", "chosen epoch"][0])
    assert "MSE, MOS as given, seed 2: the curve ends after epoch 2 of 3; the run diverged." in drawn.sentences
    lines = drawn.pictures["losses"].figure.axes[3].lines
    (line,) = (line for line in lines if line.get_label() == "MSE, MOS as given")
    assert len(line.get_ydata()) == 2
    assert "X" in [line.get_marker() for line in lines]


def test_sentences_say_whether_an_interval_holds_zero(make_source):
    sentences = draw(make_source(curves=by_hand)).sentences
    of = {words: one for one in sentences for words in ARMS if one.startswith(f"Norm-in-Norm less {words}, SROCC")}
    assert "over 3 seeds." in of["MAE, MOS as given"]
    assert of["MAE, standardised MOS"].endswith("over 3 seeds; the interval holds 0.")
    assert "not corrected for their number" in sentences[-1]


def test_a_database_without_a_test_split_has_the_other_rows(make_source):
    tables = draw(make_source(curves=by_hand, lacks=lambda need: need.split == "test")).tables
    assert rows_of(tables["losses-agreement"])["Norm-in-Norm", "test", "epoch 1"] == [None] * 3
    assert rows_of(tables["losses-epochs"])["MAE, standardised MOS", "validation"] == ["2, 2, 2"] * 3


def test_one_seed_has_neither_intervals_nor_shares(make_source):
    drawn = draw(make_source(curves=by_hand), Scale(seeds=(1,)))
    assert rows_of(drawn.tables["losses-agreement"])["Norm-in-Norm", "validation", "epoch 1"][0] == "0.600"
    assert {row[-1] for row in drawn.tables["losses-scale"].rows} == {None}
    assert not drawn.sentences


def test_the_other_arms_are_drawn_without_norm_in_norm(make_source):
    drawn = draw(make_source(curves=by_hand, lacks=lambda need: need.run.loss_type == "norm-in-norm"))
    assert (
        rows_of(drawn.tables["losses-agreement"])["MSE, standardised MOS", "validation", "epoch 1"][0]
        == "0.600 ± 0.000"
    )
    assert "27 of 135 results are missing" in drawn.sentences[-1]
