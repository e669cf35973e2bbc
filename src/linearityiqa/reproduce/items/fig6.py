"""Figure 6: agreement by backbone and loss, on the training database and on another one."""

import math

from linearityiqa.reporting import BarPanel, BarSeries, bar_chart
from linearityiqa.reproduce.item import Drawn, Item, Picture, PredictionsNeed, Results
from linearityiqa.reproduce.items.common import (
    LOSS_STYLES,
    both_databases,
    comparisons,
    figure_rows,
    loss_runs,
    predictions_need,
)
from linearityiqa.reproduce.plan import LOSS_NAMES, LOSSES, Scale
from linearityiqa.reproduce.published import published_figure


def needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    """Every backbone with every loss, tested on both databases."""
    return both_databases(scale, [run for name in scale.backbones for run in loss_runs(scale, name, LOSSES)])


def draw(results: Results, scale: Scale) -> Drawn:
    """PLCC on the training database and SROCC on the other one, as bars; the published values as diamonds."""
    panels = [
        _panel(results, scale, database, metric)
        for database, metric in ((scale.training_set, "PLCC"), (scale.other_set, "SROCC"))
    ]
    caption = (
        f"PLCC on {scale.tested_on[0]} and SROCC on {scale.tested_on[1]}, by backbone and loss, "
        f"trained on {scale.training_set}. The vertical axes need not start at 0."
    )
    wanted = needs(scale)
    return Drawn(
        numbers={"agreement": figure_rows(results, wanted)},
        pictures={"fig6": Picture(bar_chart(panels), caption)},
        comparisons=(
            *comparisons(results, scale, [need for need in wanted if need.database == scale.training_set], ["PLCC"]),
            *comparisons(results, scale, [need for need in wanted if need.database == scale.other_set], ["SROCC"]),
        ),
    )


def _panel(results: Results, scale: Scale, database: str, metric: str) -> BarPanel:
    series = []
    for loss in LOSSES:
        values, references = [], []
        for architecture in scale.backbones:
            run = scale.base_run(architecture=architecture, loss_type=loss)
            value = results.figure(predictions_need(scale, run, database), metric)
            values.append(math.nan if value is None else value)
            published = published_figure(run, database, metric)
            references.append(published.value if published else math.nan)
        shown = references if scale.is_paper else ()
        series.append(BarSeries(LOSS_NAMES[loss], values, shown, LOSS_STYLES[loss]))
    return BarPanel(database, metric, [name.partition("_")[0] for name in scale.backbones], series)


FIG6 = Item(name="fig6", title="Agreement by backbone and loss, on two databases", needs=needs, draw=draw, partial=True)
