"""Oracles: the table of the paper's runs, written out by hand, and its numbers, typed a second time."""

import dataclasses

import pytest

from linearityiqa.config import TrainConfig
from linearityiqa.reproduce.paper import PUBLISHED_FIGURES, Run, Scale, published_mark
from linearityiqa.reproduce.setup import ITEMS


def runs_of(name):
    return ITEMS[name].runs(Scale())


def test_the_items_are_the_papers():
    assert " ".join(ITEMS) == "fig1 fig4 fig5 fig6 fig7 tab1 tab2 figA1 figA2 tabA1 tabA2 ttest"


def test_shared_runs_are_equal():
    base = Run()
    for name in ("fig1", "fig4", "fig6", "fig7", "tab1", "tab2", "figA1"):
        assert base in runs_of(name)
    assert set(runs_of("fig7")) <= set(runs_of("fig6"))
    new = {"fig1": 3, "fig4": 1, "fig5": 24, "fig6": 6, "tab1": 12, "tab2": 3, "tabA1": 18, "tabA2": 6, "ttest": 30}
    assert len({run for name in ITEMS for run in runs_of(name)}) == sum(new.values())


def test_a_sweep_changes_one_option():
    for run in runs_of("fig5"):
        changed = set(run.options()) - {"architecture", "loss_type"}
        assert len(changed) <= 1
        assert run.architecture == "resnet50"


def test_ttest_trains_on_the_other_database():
    assert {(run.dataset, run.architecture) for run in runs_of("ttest")} == {("CLIVE", "resnet18")}
    assert {run.exp_id for run in runs_of("ttest")} == set(range(10))


def test_options_and_defaults_are_those_of_training():
    groups = TrainConfig()
    known = {
        field.name: getattr(group, field.name)
        for group in (groups.loss, groups.model, groups.data, groups.optimiser)
        for field in dataclasses.fields(group)
    }
    for field in dataclasses.fields(Run):
        assert known[field.name] == field.default


def test_another_scale_is_not_compared_with_the_paper():
    assert Scale().is_paper
    assert Scale(splits=2, backbones=("resnet18",)).is_paper  # the same runs, fewer of them
    assert not Scale(recipe=False).is_paper
    assert not Scale(training_set="mine").is_paper


def test_every_figure_is_a_correlation_with_its_source():
    assert len(PUBLISHED_FIGURES) == 24 + 16 - 2  # figure 6 and table 2 share two
    assert all(0 < value < 1 and source for value, source in PUBLISHED_FIGURES.values())
    assert [key[1:] for key, (_, source) in PUBLISHED_FIGURES.items() if ";" in source] == [
        ("KonIQ-10k", "PLCC"),
        ("CLIVE", "SROCC"),
    ]


@pytest.mark.parametrize(
    ("run", "database", "metric", "value"),
    [
        (Run(architecture="resnet18", loss_type="mse"), "KonIQ-10k", "PLCC", 0.869),
        (Run(loss_type="mae"), "CLIVE", "SROCC", 0.766),
        (Run(), "KonIQ-10k", "PLCC", 0.947),
        (Run(alpha=(1.0, 0.1)), "KonIQ-10k", "PLCC", 0.946),
        (Run(alpha=(0.0, 1.0)), "CLIVE", "SROCC", 0.831),
        (Run(alpha=(1.0, 1.0)), "CLIVE", "PLCC", 0.848),
    ],
)
def test_published_figures(run, database, metric, value):
    assert PUBLISHED_FIGURES[run, database, metric][0] == value


def test_no_number_where_none_is_published():
    assert (Run(p=2.0), "KonIQ-10k", "PLCC") not in PUBLISHED_FIGURES
    assert published_mark("norm-in-norm", "val", "PLCC") is None
