"""Tables of agreement, comparison, groups and pairs, as people read them and as programs do."""

from collections.abc import Mapping, Sequence

from linearityiqa.metrics import (
    Agreement,
    GroupAgreement,
    Interval,
    MethodComparison,
    PairAnalysis,
)
from linearityiqa.reporting.tables import Cell, Table

SIGNS = {1: "+", 0: "=", -1: "-"}
"""How the matrix of better methods is written."""


def agreement_table(agreements: Mapping[str, Agreement], decimals: int = 4) -> Table:
    """A row for each figure, a column for each method: value and interval as text."""
    columns = list(agreements.values())
    rows: list[list[Cell]] = [
        [
            figure,
            *(_with_interval(one.figures().get(figure), one.intervals.get(figure), decimals) for one in columns),
        ]
        for figure in _figures(columns)
    ]
    return Table(f"Agreement with MOS, {columns[0].n} images", ["figure", *agreements], rows, decimals)


def figures_table(agreements: Mapping[str, Agreement]) -> Table:
    """A row for each figure of each method: value and bounds as numbers."""
    rows: list[list[Cell]] = [
        [name, one.n, figure, value, *_bounds(one.intervals.get(figure))]
        for name, one in agreements.items()
        for figure, value in one.figures().items()
    ]
    return Table("Figures of agreement", ["method", "n", "figure", "value", "low", "high"], rows)


def mappings_table(agreements: Mapping[str, Agreement]) -> Table:
    """Each method's mappings: parameters, whether the search converged, and what is left after them."""
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
    """Each pair's difference of each figure, with its interval and p-values."""
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
    """The parametric tests of equal correlations; their p-values are not corrected."""
    rows: list[list[Cell]] = [
        [pair.first, pair.second, figure, test.name, test.statistic, p_text(test.p)]
        for pair in comparison.pairs
        for figure, tests in pair.tests.items()
        for test in tests
    ]
    return Table("Tests of dependent correlations", ["first", "second", "figure", "test", "statistic", "p"], rows)


def better_table(comparison: MethodComparison, figure: str) -> Table:
    """Which method is better than which: + where the row's is, - where the column's is, = where neither is shown."""
    matrix = comparison.better(figure)
    rows: list[list[Cell]] = [
        [name, *("" if i == j else SIGNS[int(matrix[i, j])] for j in range(len(matrix)))]
        for i, name in enumerate(comparison.names)
    ]
    return Table(f"Better in {figure}: + the row's method, - the column's, = not shown", ["", *comparison.names], rows)


def groups_table(groups: Mapping[str, Sequence[GroupAgreement]], title: str) -> Table:
    """Each group's agreement, by method."""
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
    """Each method's analysis of pairs of images."""
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
    """A p-value with two digits.

    >>> p_text(0.01234)
    '0.012'
    """
    return None if p is None else f"{p:.2g}"


def _figures(agreements: Sequence[Agreement]) -> list[str]:
    """Figures that any of the methods has a value of, in their order."""
    names = dict.fromkeys(figure for one in agreements for figure in one.figures())
    return [figure for figure in names if any(one.figures().get(figure) is not None for one in agreements)]


def _with_interval(value: float | None, interval: Interval | None, decimals: int) -> str | None:
    if value is None:
        return None
    shown = f"{value:.{decimals}f}"
    return shown if interval is None else f"{shown} [{interval.low:.{decimals}f}, {interval.high:.{decimals}f}]"


def _bounds(interval: Interval | None) -> tuple[Cell, Cell]:
    return (None, None) if interval is None else (interval.low, interval.high)
