"""Figure 4: does normalising the predictions alone, by batch normalisation at the end, do the same?"""

from linearityiqa.reporting import Line, Panel, line_grid
from linearityiqa.reproduce.item import CurveNeed, Drawn, Item, Picture, Results
from linearityiqa.reproduce.items.common import LOSS_STYLES, curve_numbers, curve_remarks, longest
from linearityiqa.reproduce.plan import LOSS_NAMES, Run, Scale

METRICS = ("SROCC", "PLCC")
WIDTH = 5.0


def needs(scale: Scale) -> tuple[CurveNeed, ...]:
    """Validation SROCC and PLCC of Norm-in-Norm, MSE, and MSE with batch normalisation at the end."""
    runs = {
        "Norm-in-Norm": scale.base_run(),
        "MSE": scale.base_run(loss_type="mse"),
        "bnMSE": scale.base_run(loss_type="mse", use_bn_end=True),
    }
    return tuple(
        CurveNeed(run, "val", metric, f"csv/{name}_{metric}.csv") for metric in METRICS for name, run in runs.items()
    )


def draw(results: Results, scale: Scale) -> Drawn:
    """One panel a metric."""
    epochs = longest(results.curves.values())
    lines: dict[str, list[Line]] = {metric: [] for metric in METRICS}
    remarks = []
    for need, curve in results.curves.items():
        style = 3 if need.run.use_bn_end else LOSS_STYLES[need.run.loss_type]
        line = Line(_label(need.run), curve.steps, curve.values, style, ended=curve.last < epochs)
        lines[need.metric].append(line)
        remarks += curve_remarks(f"{_label(need.run)}, {need.metric}", curve, epochs)
    panels = [Panel("", f"{metric} (validation)", lines[metric]) for metric in METRICS]
    caption = (
        f"SROCC and PLCC by epoch on the validation set of {scale.training_set}: Norm-in-Norm, MSE, and MSE with a "
        "batch normalisation of the predictions."
    )
    return Drawn(
        numbers={"curves": [curve_numbers(need, curve) for need, curve in results.curves.items()]},
        pictures={"fig4": Picture(line_grid([panels], width=WIDTH, panel_height=1.9), caption)},
        sentences=tuple(remarks),
    )


def _label(run: Run) -> str:
    return "MSE + batch normalisation" if run.use_bn_end else LOSS_NAMES[run.loss_type]


FIG4 = Item(
    name="fig4",
    title="Norm-in-Norm against MSE with batch normalisation of the predictions",
    needs=needs,
    draw=draw,
    test_during_training=True,
)
