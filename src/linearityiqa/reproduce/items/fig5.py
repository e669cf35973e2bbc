"""Figure 5: how learning rate, batch size and the backbone's learning rate change convergence."""

from typing import Any

from linearityiqa.reporting import Line, Panel, line_grid
from linearityiqa.reproduce.item import CurveNeed, Drawn, Item, Picture, Results
from linearityiqa.reproduce.items.common import curve_numbers, curve_remarks, longest, loss_runs
from linearityiqa.reproduce.plan import LOSS_NAMES, LOSSES, Scale

SWEEPS: dict[str, tuple[str, dict[str, float]]] = {
    # short name in the authors' files: option, and its values as they write them
    "lr": ("learning_rate", {"1e-3": 1e-3, "1e-4": 1e-4, "1e-5": 1e-5}),
    "bs": ("batch_size", {"4": 4, "8": 8, "16": 16}),
    "ft_lr_ratio": ("ft_lr_ratio", {"0": 0.0, "0.01": 0.01, "0.1": 0.1, "1": 1.0}),
}
WORDS = {"lr": "Learning rate", "bs": "Batch size", "ft_lr_ratio": "Backbone's share of the learning rate"}

LEGEND = {"lr": "learning rate", "bs": "batch size", "ft_lr_ratio": "ft_lr_ratio"}


def sweep_needs(scale: Scale, sweep: str) -> dict[str, tuple[CurveNeed, ...]]:
    """The curves of one sweep: for each value, one for each loss."""
    option, values = SWEEPS[sweep]
    return {
        text: tuple(
            CurveNeed(run, "val", "PLCC", f"csv/loss={run.loss_type}-{sweep}={text}-val_{scale.training_set}_PLCC.csv")
            for run in loss_runs(scale, scale.sweep, LOSSES, **{option: value})
        )
        for text, value in values.items()
    }


def needs(scale: Scale) -> tuple[CurveNeed, ...]:
    """The curves of the three sweeps."""
    return tuple(need for sweep in SWEEPS for row in sweep_needs(scale, sweep).values() for need in row)


def draw(results: Results, scale: Scale) -> Drawn:
    """One figure a sweep, one panel a loss."""
    epochs = longest(results.curves.values())
    pictures, remarks = {}, []
    numbers: dict[str, list[Any]] = {}
    for sweep in SWEEPS:
        panels = []
        for loss in LOSSES:
            lines, ended = [], []
            for style, (text, row) in enumerate(sweep_needs(scale, sweep).items()):
                need = next(need for need in row if need.run.loss_type == loss)
                curve = results.curves[need]
                label = f"{WORDS[sweep].lower()} {text}"
                lines.append(
                    Line(f"{LEGEND[sweep]} {text}", curve.steps, curve.values, style, ended=curve.last < epochs)
                )
                if curve.last < epochs:
                    ended.append(f"{LEGEND[sweep]} {text} diverged\n(epoch {curve.last + 1})")
                remarks += curve_remarks(f"{LOSS_NAMES[loss]}, {label}", curve, epochs)
                numbers.setdefault(sweep, []).append({"value": text, **curve_numbers(need, curve)})
            panels.append(Panel(LOSS_NAMES[loss], "PLCC (validation)", lines, note="\n".join(ended)))
        caption = (
            f"{WORDS[sweep]}: PLCC by epoch on the validation set of {scale.training_set}, backbone {scale.sweep}. A "
            "cross ends the curve of a run that diverged."
        )
        pictures[f"fig5-{sweep}"] = Picture(line_grid([panels], share_y=True, panel_height=1.9), caption)
    return Drawn(numbers=numbers, pictures=pictures, sentences=tuple(remarks))


FIG5 = Item(
    name="fig5",
    title="Convergence by learning rate, batch size and the backbone's learning rate",
    needs=needs,
    draw=draw,
)
