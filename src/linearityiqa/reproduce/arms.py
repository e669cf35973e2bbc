"""The arms of the items beyond the paper, `losses` and `settings`; and `settings`: where does normalising help?

MAE and MSE see the scale of the opinion scores, and Norm-in-Norm does not. So the paper's three losses are joined by
MAE and MSE on standardised scores.
"""

import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from linearityiqa.config import LabelScale, LossType
from linearityiqa.metrics import mean_interval
from linearityiqa.quality import MAIN_FIGURES
from linearityiqa.reporting import Cell, Table
from linearityiqa.reproduce.curves import SWEEP_NAMES, SWEEPS
from linearityiqa.reproduce.item import Drawn, Gathered, Item, PredictionsNeed, figure_rows, predictions_need
from linearityiqa.reproduce.paper import Run, Scale


class Arm(NamedTuple):
    """A loss, and the scale of the labels that it sees."""

    loss_type: LossType
    label_scale: LabelScale


PROPOSED = "Norm-in-Norm"
GIVEN = {"MSE": "MSE, MOS as given", "MAE": "MAE, MOS as given"}
STANDARDISED = {"MSE": "MSE, standardised MOS", "MAE": "MAE, standardised MOS"}
ARMS: Mapping[str, Arm] = {
    PROPOSED: Arm("norm-in-norm", "given"),
    GIVEN["MSE"]: Arm("mse", "given"),
    STANDARDISED["MSE"]: Arm("mse", "standard"),
    GIVEN["MAE"]: Arm("mae", "given"),
    STANDARDISED["MAE"]: Arm("mae", "standard"),
}
OTHERS = tuple(name for name in ARMS if name != PROPOSED)
Values = Mapping[int, float]
"""A figure by seed."""


def arm_run(scale: Scale, arm: str, seed: int, **options: Any) -> Run:
    """Return the run of an arm with a seed."""
    return scale.base_run(**ARMS[arm]._asdict(), seed=seed, **options)


def mean_words(values: Values, seeds: int, decimals: int = 3, sign: str = "") -> str | None:
    """Return the mean and half the width of Student's 95 % interval of the mean; None without values.

    >>> mean_words({1: 0.5, 2: 0.7}, seeds=2), mean_words({2: 0.7}, seeds=2)
    ('0.600 ± 1.271', '0.700 (1)')
    """
    if not values:
        return None
    words = f"{statistics.mean(values.values()):{sign}.{decimals}f}"
    if (interval := mean_interval(list(values.values()))) is not None:
        words += f" ± {(interval.high - interval.low) / 2:.{decimals}f}"
    return words if len(values) == seeds else f"{words} ({len(values)})"


MEAN_WORDS = "mean over the seeds ± half its 95 % interval (Student's; in brackets: of fewer seeds)"
"""Meaning of `mean_words` in the title of a table."""


def mean_numbers(values: Values) -> dict[str, Any]:
    """Return the same, and the value with each seed, for JSON."""
    interval = mean_interval(list(values.values()))
    return {
        "by_seed": {str(seed): value for seed, value in values.items()},
        "mean": statistics.mean(values.values()) if values else None,
        "interval": None if interval is None else [interval.low, interval.high],
    }


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
    for figure in MAIN_FIGURES:
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
