"""Figure 7: predicted quality against MOS."""

from linearityiqa.reporting import Cloud, Table, scatter_grid
from linearityiqa.reproduce.item import Drawn, Item, Picture, PredictionsNeed, Results
from linearityiqa.reproduce.items.common import (
    LOSS_STYLES,
    both_databases,
    comparisons,
    figure_rows,
    loss_runs,
    plain,
    predictions_need,
)
from linearityiqa.reproduce.plan import LOSS_NAMES, LOSSES, Scale

METRICS = ("SROCC", "PLCC", "RMSE")
WIDEST_TITLE = 30
"""Characters that fit above a panel."""


def needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    """The base run with each loss, tested on both databases."""
    return both_databases(scale, loss_runs(scale, scale.base, LOSSES))


def draw(results: Results, scale: Scale) -> Drawn:
    """One row of panels a database, one panel a loss, and the figures of agreement."""
    wanted = needs(scale)
    clouds, rows = [], []
    for database in (scale.training_set, scale.other_set):
        row = []
        for run in loss_runs(scale, scale.base, LOSSES):
            need = predictions_need(scale, run, database)
            found, name = results.predictions[need], LOSS_NAMES[run.loss_type]
            figures = {metric: results.figure(need, metric) for metric in METRICS}
            corner = {metric: value for metric, value in figures.items() if value is not None and metric != "RMSE"}
            cloud = Cloud(_title(name, database), found.predicted, found.mos, corner, LOSS_STYLES[run.loss_type])
            row.append(cloud)
            rows.append([database, name, found.agreement.n, *figures.values()])
        clouds.append(row)
    caption = (
        f"Predicted quality against mean opinion score (MOS), one dot an image: {scale.tested_on[0]} (above) "
        f"and {scale.tested_on[1]} (below), trained on {scale.training_set}. The dashed line is equality."
    )
    return Drawn(
        numbers={
            "agreement": figure_rows(results, wanted),
            "points": [
                {
                    "database": need.database,
                    "loss": need.run.loss_type,
                    "predicted": plain(results.predictions[need].predicted),
                    "mos": plain(results.predictions[need].mos),
                }
                for need in wanted
            ],
        },
        pictures={"fig7": Picture(scatter_grid(clouds), caption)},
        tables={"fig7-agreement": Table("Agreement with MOS", ["Database", "Loss", "Images", *METRICS], rows)},
        comparisons=comparisons(results, scale, wanted, METRICS),
    )


def _title(loss: str, database: str) -> str:
    """What stands above a panel: in one line where that is wide enough."""
    title = f"{loss} on {database}"
    return title if len(title) <= WIDEST_TITLE else f"{loss}\n{database}"


FIG7 = Item(name="fig7", title="Predicted quality against mean opinion score", needs=needs, draw=draw)
