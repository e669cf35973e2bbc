"""Figures A1 and A2: the norm b of each head's predictions, by iteration and by epoch."""

import numpy as np

from linearityiqa.quality import HEADS
from linearityiqa.reporting import COLUMN_WIDTH, Line, Panel, line_grid
from linearityiqa.reproduce.item import BhatNeed, Drawn, Item, Picture, Results
from linearityiqa.reproduce.items.common import plain
from linearityiqa.reproduce.plan import Scale
from linearityiqa.reproduce.results import BhatLog

HEAD_NAMES = {"stage3": "stage 3", "stage4": "stage 4", "fused": "fused"}
ORDER = ("fused", "stage4", "stage3")
"""Order of the legend: from the largest norm to the smallest in the authors' log."""
Y_LABEL = "Norm b"


def needs(scale: Scale) -> tuple[BhatNeed, ...]:
    """The log of the base run."""
    return (BhatNeed(scale.base_run(), "bhat.log"),)


def draw_iterations(results: Results, scale: Scale) -> Drawn:
    """b of each head in every training batch."""
    (log,) = results.bhat.values()
    iterations = np.arange(1, len(log) + 1)
    lines = [Line(HEAD_NAMES[head], iterations, getattr(log.values, head), ORDER.index(head)) for head in ORDER]
    figure = line_grid([[Panel("", Y_LABEL, lines)]], x_label="Iteration", width=COLUMN_WIDTH, panel_height=2.0)
    caption = "Norm b of each head's centred predictions in every training batch of the base run."
    if scale.is_paper:  # 7058 = 882 x 8 + 2
        caption += " The regular dips are the last batch of each epoch, of two images."
    return Drawn(
        numbers={
            "iterations_per_epoch": log.iterations_per_epoch,
            **{head: plain(getattr(log.values, head)) for head in HEADS},
        },
        pictures={"figA1": Picture(figure, caption)},
        sentences=_remarks(log),
    )


def draw_epochs(results: Results, scale: Scale) -> Drawn:
    """Mean of each head's b in every epoch."""
    (log,) = results.bhat.values()
    means = log.epoch_means()
    epochs = np.arange(1, len(means.fused) + 1)
    lines = [Line(HEAD_NAMES[head], epochs, getattr(means, head), ORDER.index(head)) for head in ORDER]
    figure = line_grid([[Panel("", f"{Y_LABEL} (mean of the epoch)", lines)]], width=COLUMN_WIDTH, panel_height=2.0)
    caption = "Norm b of each head's centred predictions, mean over the training batches of each epoch of the base run."
    return Drawn(
        numbers={"epochs": epochs.tolist(), **{head: plain(getattr(means, head)) for head in HEADS}},
        pictures={"figA2": Picture(figure, caption)},
        sentences=_remarks(log),
    )


def _remarks(log: BhatLog) -> tuple[str, ...]:
    rest = len(log) % log.iterations_per_epoch
    return (f"The last epoch has {rest} of {log.iterations_per_epoch} iterations.",) if rest else ()


FIGA1 = Item(name="figA1", title="The norm b by iteration", needs=needs, draw=draw_iterations, log_bhat=True)
FIGA2 = Item(name="figA2", title="The norm b by epoch", needs=needs, draw=draw_epochs, log_bhat=True)
