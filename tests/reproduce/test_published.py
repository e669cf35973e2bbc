"""Oracle: the numbers of the paper, typed a second time where a slip would matter most."""

import pytest

from linearityiqa.reproduce import Run
from linearityiqa.reproduce.published import PUBLISHED_FIGURES, PUBLISHED_MARKS, published_figure, published_mark


def test_every_figure_is_a_correlation_of_one_source_and_unique_but_where_both_print_it():
    assert len(PUBLISHED_FIGURES) == 24 + 16
    assert all(0 < one.value < 1 and one.source for one in PUBLISHED_FIGURES)
    values = {}
    for one in PUBLISHED_FIGURES:
        assert values.setdefault(one[:3], one.value) == one.value


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
    assert published_figure(run, database, metric).value == value


def test_no_number_where_none_is_published():
    assert published_figure(Run(p=2.0), "KonIQ-10k", "PLCC") is None
    assert published_figure(Run(optimizer="sgd"), "KonIQ-10k", "SROCC") is None
    assert published_mark("norm-in-norm", "val", "PLCC") is None


def test_marks():
    assert len(PUBLISHED_MARKS) == 18
    assert [published_mark("mae", "train", m).epoch for m in ("SROCC", "PLCC", "RMSE")] == [10, 9, 9]
    assert published_mark("mse", "test", "RMSE").epoch == 10
