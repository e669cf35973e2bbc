"""Oracles: curves typed by hand, whose leads, epochs and shares can be counted; SciPy's interval of a mean."""

import numpy as np
import pytest
import scipy.stats

from linearityiqa.config import ReproduceConfig
from linearityiqa.errors import DataError
from linearityiqa.reproduce.item import CurveNeed, draw_item, gather
from linearityiqa.reproduce.losses import ARMS, LOSSES, OTHERS, arm_run
from linearityiqa.reproduce.paper import Scale
from linearityiqa.reproduce.settings import SETTINGS
from linearityiqa.reproduce.setup import FURTHER, ITEMS, Setup, chosen_items

SCALE = Scale(seeds=(1, 2, 3))
SROCC = {
    "Norm-in-Norm": [0.60, 0.70, 0.68],
    "MSE, MOS as given": [0.40, 0.50, 0.58],
    "MSE, standardised MOS": [0.60, 0.69, 0.68],
    "MAE, MOS as given": [0.10, 0.20, 0.30],
    "MAE, standardised MOS": [0.50, 0.66, 0.60],
}
"""With the first seed; each further one is a hundredth better."""


def by_hand(need: CurveNeed) -> list[float]:
    (arm,) = (name for name, arm in ARMS.items() if arm == (need.run.loss_type, need.run.label_scale))
    values = [value + 0.01 * (need.run.seed - 1) for value in SROCC[arm]]
    return [20 - 10 * value for value in values] if need.metric == "RMSE" else values


def draw(item, source, scale=SCALE):
    return draw_item(item, gather(item.needs(scale), source), scale)


def rows_of(table):
    return {tuple(row[:2]): row[2:] for row in table.rows}


def test_runs_are_the_papers_with_the_first_seed_and_new_ones_with_the_others():
    scale = Scale()
    runs = LOSSES.runs(scale)
    assert len(set(runs)) == len(ARMS) * len(scale.seeds)
    assert set(ITEMS["fig1"].runs(scale)) <= set(runs)


def test_all_means_the_papers_items_alone():
    assert chosen_items(["all"]) == tuple(ITEMS.values())
    assert chosen_items(["settings", "FIG1", "losses"]) == (ITEMS["fig1"], LOSSES, SETTINGS)
    assert not FURTHER.keys() & ITEMS.keys()


def test_seeds_count_up_from_the_commands_own():
    setup = Setup(ReproduceConfig(seed=5, seeds=2))
    assert setup.scale.seeds == (5, 6)
    jobs = setup.jobs([LOSSES])
    assert [job.config.optimiser.seed for job in jobs] == [5] * 5 + [6] * 5
    assert [job.config.optimiser.label_scale for job in jobs[:5]] == ["given", "given", "standard", "given", "standard"]
    assert all(job.config.run.test_during_training for job in jobs)


def test_figures_are_read_after_one_epoch_and_where_validation_is_best(make_source):
    found = rows_of(draw(LOSSES, make_source(curves=by_hand)).tables["losses-agreement"])
    first = scipy.stats.t.interval(0.95, 2, loc=0.61, scale=scipy.stats.sem([0.60, 0.61, 0.62]))
    half = f"± {(first[1] - first[0]) / 2:.3f}"
    assert found["Norm-in-Norm", "test"][0] == f"0.610 {half}"
    assert found["Norm-in-Norm", "test"][3] == f"0.710 {half}"  # the second epoch of three
    assert found["MSE, MOS as given", "training"][3] == f"0.590 {half}"  # the last
    assert found["Norm-in-Norm", "validation"][5].startswith("12.90 ")


def test_leads_are_better_or_worse_whatever_the_figure(make_source):
    found = rows_of(draw(LOSSES, make_source(curves=by_hand)).tables["losses-leads"])
    assert found["MSE, standardised MOS", "test"] == [
        "+0.000 ± 0.000", "+0.000 ± 0.000", "+0.00 ± 0.00", "+0.010 ± 0.000", "+0.010 ± 0.000", "+0.10 ± 0.00",
    ]  # fmt: skip
    assert found["MAE, MOS as given", "test"][2] == "+5.00 ± 0.00"


def test_first_epochs_are_those_of_each_seed(make_source):
    found = rows_of(draw(LOSSES, make_source(curves=by_hand)).tables["losses-epochs"])
    assert found["MSE, standardised MOS", "test"] == ["1, 1, 1"] * 3
    assert found["MAE, standardised MOS", "test"] == ["2, 2, 2"] * 3
    assert found["MSE, MOS as given", "training"] == ["never, never, never"] * 3


def test_share_of_the_scale_is_what_standardising_brings_of_the_lead(make_source):
    table = draw(LOSSES, make_source(curves=by_hand)).tables["losses-scale"]
    shares = {tuple(row[:3]): row[-1] for row in table.rows}
    assert shares["MSE", "SROCC", "epoch 1"] == "100%"
    assert shares["MSE", "SROCC", "chosen epoch"] == "92%"  # .11 of .12
    assert shares["MAE", "PLCC", "epoch 1"] == "80%"
    level = draw(LOSSES, make_source(curves=lambda need: [0.5, 0.5])).tables["losses-scale"]
    assert {row[-1] for row in level.rows} == {None}  # no lead, no share


def test_curves_are_means_and_the_level_norm_in_norms(make_source):
    figure = draw(LOSSES, make_source(curves=by_hand)).pictures["losses"].figure
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    for arm, values in SROCC.items():
        np.testing.assert_allclose(lines[arm], np.array(values) + 0.01)
    levels = [line.get_ydata() for ax in figure.axes for line in ax.lines if line.get_label() not in ARMS]
    np.testing.assert_allclose(levels[0], 0.61)
    assert len(levels) == 9


def test_a_diverged_run_and_a_missing_seed_leave_the_rest(make_source):
    def curves(need):
        diverges = need.run == arm_run(SCALE, "MSE, MOS as given", 2)
        return by_hand(need)[:1] if diverges else by_hand(need)

    source = make_source(curves=curves, lacks=lambda need: need.run == arm_run(SCALE, "Norm-in-Norm", 3))
    drawn = draw(LOSSES, source)
    epochs = rows_of(drawn.tables["losses-epochs"])
    assert epochs["MAE, standardised MOS", "test"] == ["2, 2"] * 3
    assert "9 of 135 results are missing" in drawn.sentences[-1]
    assert any("MSE, MOS as given, SROCC" in sentence and "2 seeds" in sentence for sentence in drawn.sentences)


def test_a_database_without_a_test_split_has_the_other_rows(make_source):
    tables = draw(LOSSES, make_source(curves=by_hand, lacks=lambda need: need.split == "test")).tables
    assert rows_of(tables["losses-agreement"])["Norm-in-Norm", "test"] == [None] * 6
    assert rows_of(tables["losses-epochs"])["MAE, standardised MOS", "validation"] == ["2, 2, 2"] * 3


def test_one_seed_has_no_intervals(make_source):
    drawn = draw(LOSSES, make_source(curves=by_hand), Scale(seeds=(1,)))
    assert rows_of(drawn.tables["losses-agreement"])["Norm-in-Norm", "test"][0] == "0.600"
    assert not drawn.sentences


def test_without_norm_in_norm_there_is_nothing_to_compare_with(make_source):
    with pytest.raises(DataError, match="which all else is compared with"):
        draw(LOSSES, make_source(lacks=lambda need: need.run.loss_type == "norm-in-norm"))


def test_every_other_loss_is_compared(source):
    tables = draw(LOSSES, source).tables
    assert {row[0] for row in tables["losses-leads"].rows} == set(OTHERS)
