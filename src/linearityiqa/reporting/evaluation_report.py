"""The evaluation report: how well methods agree with opinion scores and where they err, as tables and as one page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images.thumbnails import read_thumbnail
from linearityiqa.metrics import Agreement, GroupAgreement, Interval, MethodComparison, PairAnalysis
from linearityiqa.reporting.html import HtmlReport, Thumbnail
from linearityiqa.reporting.scatter import Method, histogram_grid, mapping_grid, residual_grid
from linearityiqa.reporting.style import figure_bytes
from linearityiqa.reporting.tables import Cell, Table, format_cell

SIGNS = {1: "+", 0: "=", -1: "-"}
"""Signs of the matrix of better methods."""


def agreement_table(agreements: Mapping[str, Agreement], decimals: int = 4) -> Table:
    """Tabulate value and interval as text: a row for each figure, a column for each method."""
    columns = list(agreements.values())
    rows: list[list[Cell]] = []
    for figure in dict.fromkeys(figure for one in columns for figure in one.figures()):
        cells = [_with_interval(one.figures().get(figure), one.intervals.get(figure), decimals) for one in columns]
        if any(cell is not None for cell in cells):
            rows.append([figure, *cells])
    return Table(f"Agreement with MOS, {columns[0].n} images", ["figure", *agreements], rows, decimals)


def figures_table(agreements: Mapping[str, Agreement]) -> Table:
    """Tabulate value and bounds as numbers, with a row for each figure of each method."""
    rows: list[list[Cell]] = [
        [name, one.n, figure, value, *_bounds(one.intervals.get(figure))]
        for name, one in agreements.items()
        for figure, value in one.figures().items()
    ]
    return Table("Figures of agreement", ["method", "n", "figure", "value", "low", "high"], rows)


def mappings_table(agreements: Mapping[str, Agreement]) -> Table:
    """Tabulate each method's mappings: parameters, whether the search converged, and the errors after them."""
    rows: list[list[Cell]] = []
    for name, one in agreements.items():
        for after in one.mapped.values():
            parameters: list[Cell] = [*after.mapping.parameters, *[None] * (5 - len(after.mapping.parameters))]
            state = "yes" if after.mapping.converged else "no"
            rows.append(
                [name, after.mapping.name, *parameters, state, after.plcc, after.rmse, after.mae, after.outlier_ratio]
            )
    columns = ["method", "mapping", *(f"b{i}" for i in range(1, 6)), "converged"]
    return Table("Mappings to MOS", [*columns, "PLCC", "RMSE", "MAE", "outlier_ratio"], rows)


def differences_table(comparison: MethodComparison, figures: Sequence[str] | None = None) -> Table:
    """Tabulate each pair's difference of each figure, with its interval and p-values."""
    rows: list[list[Cell]] = []
    for pair in comparison.pairs:
        for figure, found in pair.differences.items():
            if figures is None or figure in figures:
                better = {1: pair.first, -1: pair.second, 0: "not shown"}[found.better]
                p_values = p_text(found.p), p_text(found.p_holm)
                rows.append([pair.first, pair.second, figure, found.value, *_bounds(found.interval), *p_values, better])
    columns = ["first", "second", "figure", "first - second", "low", "high", "p", "p (Holm)", "better"]
    return Table(f"Differences on {comparison.n} images, {comparison.resamples} paired resamples", columns, rows)


def parametric_table(comparison: MethodComparison) -> Table:
    """Tabulate the parametric tests of equal correlations; their p-values are not corrected."""
    rows: list[list[Cell]] = [
        [pair.first, pair.second, figure, test.name, test.statistic, p_text(test.p)]
        for pair in comparison.pairs
        for figure, tests in pair.tests.items()
        for test in tests
    ]
    return Table("Tests of dependent correlations", ["first", "second", "figure", "test", "statistic", "p"], rows)


def better_table(comparison: MethodComparison, figure: str) -> Table:
    """Tabulate which method is better: + where the row's is, - where the column's is, = where neither is shown."""
    matrix = comparison.better(figure)
    rows: list[list[Cell]] = [
        [name, *("" if i == j else SIGNS[int(matrix[i, j])] for j in range(len(matrix)))]
        for i, name in enumerate(comparison.names)
    ]
    return Table(f"Better in {figure}: + the row's method, - the column's, = not shown", ["", *comparison.names], rows)


def groups_table(groups: Mapping[str, Sequence[GroupAgreement]], title: str) -> Table:
    """Tabulate each group's agreement, by method."""
    rows: list[list[Cell]] = []
    for position in range(len(next(iter(groups.values())))):
        for name, found in groups.items():
            one = found[position]
            inside = one.agreement.figures() if one.agreement else {}
            interval = one.agreement.intervals.get("SROCC") if one.agreement else None
            figures = [inside.get(figure) for figure in ("PLCC", "KROCC", "RMSE", "outlier_ratio")]
            rows.append([one.group, one.n, one.mos, name, inside.get("SROCC"), *_bounds(interval), *figures, one.bias])
    columns = ["group", "n", "mean MOS", "method", "SROCC", "low", "high", "PLCC", "KROCC", "RMSE", "outlier_ratio"]
    return Table(title, [*columns, "bias"], rows)


def pairs_table(pairs: Mapping[str, PairAnalysis]) -> Table:
    """Tabulate each method's analysis of pairs of images."""
    some = next(iter(pairs.values()))
    rows: list[list[Cell]] = [
        [name, one.auc_different_similar, one.auc_better_worse, one.correct, *one.resolving_power.values()]
        for name, one in pairs.items()
    ]
    columns = ["method", "AUC different/similar", "AUC better/worse", "correct order"]
    powers = [f"resolving power {confidence:.0%}" for confidence in some.resolving_power]
    share = f"{some.pairs} pairs of images, {some.different} of them different"
    return Table(share, [*columns, *powers], rows)


def p_text(p: float | None) -> str | None:
    """Return a p-value with two digits.

    >>> p_text(0.01234)
    '0.012'
    """
    return None if p is None else f"{p:.2g}"


def _with_interval(value: float | None, interval: Interval | None, decimals: int) -> str | None:
    if value is None:
        return None
    shown = format_cell(value, decimals)
    if interval is None:
        return shown
    return f"{shown} [{format_cell(interval.low, decimals)}, {format_cell(interval.high, decimals)}]"


def _bounds(interval: Interval | None) -> tuple[Cell, Cell]:
    return (None, None) if interval is None else (interval.low, interval.high)


WORST = 12
"""Worst images that are shown of each method."""
THUMBNAIL_PIXELS = 320 * 240
"""Pixels of a thumbnail: four times what a page shows."""


@dataclass(frozen=True, eq=False)
class ReportContent:
    """Content of an evaluation report."""

    title: str
    lead: str
    names: Sequence[str]
    """Of the images, in the order of every method's values."""
    methods: Sequence[Method]
    mapping: str
    """Name of the methods' mapping."""
    agreement: Sequence[Table]
    comparison: Sequence[Table] = ()
    """None for a single method."""
    verdicts: Sequence[str] = ()
    """What the comparison says in words."""
    groups: Sequence[Table] = ()
    notes: Sequence[str] = ()
    commands: Sequence[str] = ()
    """What made the report."""


def evaluation_report(content: ReportContent, image_dir: Path | None = None) -> HtmlReport:
    """Put the report together, with thumbnails of the worst images from the folder that their names are relative to."""
    report = HtmlReport(content.title, content.lead)
    report.notice(*content.notes)
    report.section("Agreement")
    report.table(*content.agreement)
    _pictures(report, content)
    if content.comparison:
        report.section("Comparison")
        report.bullets(content.verdicts)
        report.table(*content.comparison)
    if content.groups:
        report.section("Groups of images")
        report.table(*content.groups)
    _worst_images(report, content, image_dir)
    if content.commands:
        report.section("How this was made")
        report.code("\n".join(content.commands))
    return report


def _pictures(report: HtmlReport, content: ReportContent) -> None:
    count = len(content.names)
    names = ", ".join(method.name for method in content.methods)
    report.section("Predictions and MOS")
    report.figure(
        figure_bytes(mapping_grid(content.methods)),
        alt=f"Scatter plots of MOS against the predictions of {names}, with the {content.mapping} mapping as a line.",
        caption=f"{count} images; the line is the {content.mapping} mapping, fitted to these images.",
    )
    report.section("Residuals")
    report.figure(
        figure_bytes(residual_grid(content.methods)),
        alt=f"Mapped prediction minus MOS against MOS for {names}.",
        caption=(
            "Mapped prediction minus MOS, with mean and standard deviation in ranges of MOS that hold equally many "
            "images. A slope down is regression to the mean: what least squares does to noisy predictions."
        ),
    )
    report.section("Distributions")
    report.figure(
        figure_bytes(histogram_grid(content.methods)),
        alt=f"Histograms of the MOS and of the mapped predictions of {names}.",
        caption="How many images have which MOS and which mapped prediction.",
    )


def _worst_images(report: HtmlReport, content: ReportContent, image_dir: Path | None) -> None:
    report.section("Worst images")
    for method in content.methods:
        report.subsection(method.name)
        residuals = method.residuals
        worst = np.argsort(-np.abs(residuals), kind="stable")[:WORST]
        report.gallery(
            [
                Thumbnail(
                    thumbnail(image_dir, content.names[row]) if image_dir is not None else None,
                    f"Image {content.names[row]}",
                    f"{content.names[row]}: predicted {method.mapped[row]:.1f}, MOS {method.mos[row]:.1f} "
                    f"({residuals[row]:+.1f})",
                )
                for row in worst.tolist()
            ]
        )


def thumbnail(folder: Path, name: str) -> bytes | None:
    """Return a small copy of an image in `folder`; None where it cannot be decoded, or its name leads out of it."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    try:
        return read_thumbnail(folder / name, THUMBNAIL_PIXELS, quality=80).content
    except UnreadableImageError:
        return None
