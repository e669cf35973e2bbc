"""Items of agreement with MOS: figures 6 and 7, and tables 1, 2, A1 and A2."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from linearityiqa.quality import MAIN_FIGURES, PAPER_FIGURES
from linearityiqa.reporting import BarPanel, BarSeries, Cell, Cloud, Table, bar_chart, scatter_grid
from linearityiqa.reproduce.curves import SWEEPS, plain
from linearityiqa.reproduce.item import (
    Drawn,
    Gathered,
    Item,
    Picture,
    PredictionsNeed,
    both_databases,
    figure_rows,
    predictions_need,
)
from linearityiqa.reproduce.paper import (
    LOSS_NAMES,
    LOSS_STYLES,
    LOSSES,
    PUBLISHED_FIGURES,
    Comparison,
    Scale,
)

EXPONENTS = ((1.0, 1.0), (1.0, 2.0), (2.0, 1.0), (2.0, 2.0))
VARIANTS = {(1.0, 0.0): "l", (1.0, 0.1): "l + 0.1 l'", (1.0, 1.0): "l + l'", (0.0, 1.0): "l'"}
"""Weights of l and l', and how the paper writes their sum."""
OPTIMIZERS = {"sgd": "SGD", "adadelta": "Adadelta"}
WITHOUT_SKIPS = Scale().plain
"""The paper's backbones without skip connections, the only ones that are known to have none."""
WIDEST_TITLE = 30
"""Characters that fit above a panel."""


def comparisons(
    results: Gathered, scale: Scale, needs: Iterable[PredictionsNeed], metrics: Sequence[str]
) -> tuple[Comparison, ...]:
    """Compare computed figures with the published ones, where both exist and the scale is the paper's."""
    found = []
    for need in needs if scale.is_paper else ():
        for metric in metrics:
            published, computed = PUBLISHED_FIGURES.get((need.run, need.database, metric)), results.figure(need, metric)
            if published is None or computed is None:
                continue
            alpha = f", alpha {need.run.alpha[0]:g} {need.run.alpha[1]:g}" if need.run.alpha != (1.0, 0.0) else ""
            name = f"{metric} on {need.database}, {need.run.architecture}, {LOSS_NAMES[need.run.loss_type]}{alpha}"
            found.append(Comparison(name, computed, *published, results.predictions[need].intervals[metric]))
    return tuple(found)


def _backbone_needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    return both_databases(scale, [run for name in scale.backbones for run in scale.loss_runs(name)])


def _draw_backbones(results: Gathered, scale: Scale) -> Drawn:
    """Draw PLCC on the training database and SROCC on the other one as bars; published values as diamonds."""
    shown = {scale.training_set: "PLCC", scale.other_set: "SROCC"}
    caption = (
        f"PLCC on {scale.tested_on[0]} and SROCC on {scale.tested_on[1]}, by backbone and loss, "
        f"trained on {scale.training_set}. The vertical axes need not start at 0."
    )
    wanted = _backbone_needs(scale)
    return Drawn(
        numbers={"agreement": figure_rows(results, wanted)},
        pictures={"fig6": Picture(bar_chart([_bar_panel(results, scale, *one) for one in shown.items()]), caption)},
        comparisons=tuple(
            comparison
            for database, metric in shown.items()
            for comparison in comparisons(results, scale, [n for n in wanted if n.database == database], [metric])
        ),
    )


def _bar_panel(results: Gathered, scale: Scale, database: str, metric: str) -> BarPanel:
    series = []
    for loss in LOSSES:
        values, references = [], []
        for architecture in scale.backbones:
            run = scale.base_run(architecture=architecture, loss_type=loss)
            value = results.figure(predictions_need(scale, run, database), metric)
            values.append(math.nan if value is None else value)
            references.append(PUBLISHED_FIGURES.get((run, database, metric), (math.nan, ""))[0])
        shown = references if scale.is_paper else ()
        series.append(BarSeries(LOSS_NAMES[loss], values, shown, LOSS_STYLES[loss]))
    return BarPanel(database, metric, [name.partition("_")[0] for name in scale.backbones], series)


def _scatter_needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    return both_databases(scale, scale.loss_runs(scale.base))


def _draw_scatter(results: Gathered, scale: Scale) -> Drawn:
    """Draw one row of panels a database, one panel a loss, and the figures of agreement."""
    wanted = _scatter_needs(scale)
    clouds: dict[str, list[Cloud]] = {scale.training_set: [], scale.other_set: []}
    rows: list[list[Cell]] = []
    for need in sorted(wanted, key=lambda need: need.database != scale.training_set):
        found, name, database = results.predictions[need], LOSS_NAMES[need.run.loss_type], need.database
        figures = {metric: results.figure(need, metric) for metric in PAPER_FIGURES}
        above = {metric: value for metric, value in figures.items() if value is not None and metric != "RMSE"}
        title = f"{name} on {database}" if len(f"{name} on {database}") <= WIDEST_TITLE else f"{name}\n{database}"
        cloud = Cloud(title, found.predicted, found.mos, above, LOSS_STYLES[need.run.loss_type])
        clouds[database].append(cloud)
        rows.append([database, name, found.agreement.n, *figures.values()])
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
        pictures={"fig7": Picture(scatter_grid(list(clouds.values())), caption)},
        tables={"fig7-agreement": Table("Agreement with MOS", ["Database", "Loss", "Images", *PAPER_FIGURES], rows)},
        comparisons=comparisons(results, scale, wanted, PAPER_FIGURES),
    )


class TableRow(NamedTuple):
    """A row of a table: what names it, and the predictions whose SROCC and PLCC it shows."""

    labels: tuple[str, ...]
    needs: tuple[PredictionsNeed, ...]


class TableHead(NamedTuple):
    """Title of a table, headings of its labels, and the words before "SROCC" and "PLCC" for each prediction."""

    title: str
    labels: tuple[str, ...]
    tested: Sequence[str] = ("",)


def _table_item(
    name: str,
    title: str,
    head: Callable[[Scale], TableHead],
    rows: Callable[[Scale], list[TableRow]],
    *,
    published: bool = False,
    remarks: Callable[[Scale], tuple[str, ...]] = lambda scale: (),
) -> Item:
    """Make an item that is one table; `published` says whether its numbers are compared with the paper's."""

    def needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
        return tuple(need for row in rows(scale) for need in row.needs)

    def draw(results: Gathered, scale: Scale) -> Drawn:
        words, labels, tested = head(scale)
        columns = [*labels, *(f"{what} {figure}".lstrip() for what in tested for figure in MAIN_FIGURES)]
        cells: list[list[Cell]] = [
            [*row.labels, *(results.figure(need, figure) for need in row.needs for figure in MAIN_FIGURES)]
            for row in rows(scale)
        ]
        return Drawn(
            numbers={"agreement": figure_rows(results, needs(scale))},
            tables={name: Table(words, columns, cells, decimals=3)},
            sentences=remarks(scale),
            comparisons=comparisons(results, scale, needs(scale), MAIN_FIGURES) if published else (),
        )

    return Item(name=name, title=title, needs=needs, draw=draw, partial=True)


def _exponent_rows(scale: Scale) -> list[TableRow]:
    return [
        TableRow(
            (name, f"{p:g}", f"{q:g}"),
            (predictions_need(scale, scale.base_run(architecture=name, p=p, q=q), scale.training_set),),
        )
        for name in scale.backbones
        for p, q in EXPONENTS
    ]


def _variant_rows(scale: Scale) -> list[TableRow]:
    return [
        TableRow((words,), both_databases(scale, [scale.base_run(alpha=alpha)])) for alpha, words in VARIANTS.items()
    ]


def _optimizer_rows(scale: Scale) -> list[TableRow]:
    option, values = SWEEPS["lr"]
    return [
        TableRow(
            (name, text),
            tuple(
                predictions_need(scale, run, scale.training_set)
                for run in scale.loss_runs(scale.sweep, optimizer=optimizer, **{option: value})
            ),
        )
        for optimizer, name in OPTIMIZERS.items()
        for text, value in values.items()
    ]


def _plain_rows(scale: Scale) -> list[TableRow]:
    return [
        TableRow((name, LOSS_NAMES[run.loss_type]), both_databases(scale, [run]))
        for name in scale.plain
        for run in scale.loss_runs(name)
    ]


def _plain_head(scale: Scale) -> TableHead:
    what = "Other backbones" if _instead(scale) else "Backbones without skip connections"
    return TableHead(
        f"{what}: {', '.join(scale.tested_on)}", ("Backbone", "Loss"), (scale.training_set, scale.other_set)
    )


def _instead(scale: Scale) -> tuple[str, ...]:
    if set(scale.plain) <= set(WITHOUT_SKIPS):
        return ()
    return (f"Run with {', '.join(scale.plain)} in place of {' and '.join(WITHOUT_SKIPS)}, as --backbones says.",)


FIG6 = Item(
    name="fig6",
    title="Agreement by backbone and loss, on two databases",
    needs=_backbone_needs,
    draw=_draw_backbones,
    partial=True,
)
FIG7 = Item(name="fig7", title="Predicted quality against mean opinion score", needs=_scatter_needs, draw=_draw_scatter)
TAB1 = _table_item(
    "tab1",
    "The exponents p and q of Norm-in-Norm",
    lambda scale: TableHead(
        f"Norm-in-Norm by exponents p and q, test set of {scale.training_set}", ("Backbone", "p", "q")
    ),
    _exponent_rows,
)
TAB2 = _table_item(
    "tab2",
    "Norm-in-Norm and its variant",
    lambda scale: TableHead(
        f"Norm-in-Norm and its variant: {', '.join(scale.tested_on)}", ("Loss",), (scale.training_set, scale.other_set)
    ),
    _variant_rows,
    published=True,
)
TABA1 = _table_item(
    "tabA1",
    "Learning rates under SGD and Adadelta",
    lambda scale: TableHead(
        f"Learning rates under other optimizers: test set of {scale.training_set}, backbone {scale.sweep}",
        ("Optimizer", "Learning rate"),
        tuple(LOSS_NAMES[loss] for loss in LOSSES),
    ),
    _optimizer_rows,
)
TABA2 = _table_item("tabA2", "Backbones without skip connections", _plain_head, _plain_rows, remarks=_instead)
