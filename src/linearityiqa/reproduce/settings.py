"""Five losses under the options of figure 5 and beyond: where does normalising help? No item of the paper."""

from collections.abc import Iterable, Iterator
from typing import Any

from linearityiqa.reporting import Cell, Table
from linearityiqa.reproduce.agreement import TABLE_FIGURES, figure_rows, predictions_need
from linearityiqa.reproduce.arms import ARMS, MEAN_WORDS, Values, arm_run, mean_words
from linearityiqa.reproduce.curves import SWEEP_NAMES, SWEEPS
from linearityiqa.reproduce.item import Drawn, Gathered, Item, PredictionsNeed
from linearityiqa.reproduce.paper import Run, Scale

WIDER: dict[str, dict[str, float]] = {"lr": {"1e-2": 1e-2}, "bs": {"32": 32}}
"""Values of figure 5's sweeps that the paper lacks."""


def _settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every setting in words, and the option in which it differs from the paper's."""
    yield "the paper's", {}
    defaults = Run()
    for sweep, (option, values) in SWEEPS.items():
        for text, value in (values | WIDER.get(sweep, {})).items():
            if value != getattr(defaults, option):
                yield f"{SWEEP_NAMES[sweep]} {text}", {option: value}


def _setting_needs(scale: Scale) -> dict[tuple[str, str], tuple[PredictionsNeed, ...]]:
    """Return the needs of each setting and arm: predictions on the test set with every seed."""
    return {
        (words, arm): tuple(
            predictions_need(scale, arm_run(scale, arm, seed, architecture=scale.sweep, **options), scale.training_set)
            for seed in scale.seeds
        )
        for words, options in _settings()
        for arm in ARMS
    }


def _all_setting_needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    by_arm = _setting_needs(scale).values()
    return tuple(needs[number] for number in range(len(scale.seeds)) for needs in by_arm)


def _draw_settings(results: Gathered, scale: Scale) -> Drawn:
    """Draw a table a figure: settings down, losses across."""
    needs = _setting_needs(scale)
    tables = {}
    for figure in TABLE_FIGURES:
        rows: list[list[Cell]] = [
            [words, *(mean_words(_values(results, needs[words, arm], figure), len(scale.seeds)) for arm in ARMS)]
            for words, _ in _settings()
        ]
        title = f"{figure} on the test set of {scale.training_set}, backbone {scale.sweep}: {MEAN_WORDS}"
        tables[f"settings-{figure.lower()}"] = Table(title, ["Setting", *ARMS], rows)
    return Drawn(numbers={"agreement": figure_rows(results, _all_setting_needs(scale))}, tables=tables)


def _values(results: Gathered, needs: Iterable[PredictionsNeed], figure: str) -> Values:
    found = {need.run.seed: results.figure(need, figure) for need in needs}
    return {seed: value for seed, value in found.items() if value is not None}


SETTINGS = Item(
    name="settings",
    title="Five losses in other settings than the paper's",
    needs=_all_setting_needs,
    draw=_draw_settings,
    partial=True,
)
