"""Figures A1 and A2: the norm b of the centred predictions, by iteration and by epoch."""

from functools import partial

import numpy as np

from linearityiqa.quality import HEADS
from linearityiqa.reporting import COLUMN_WIDTH, Line, Panel, line_grid
from linearityiqa.reproduce.curves import plain
from linearityiqa.reproduce.item import BhatNeed, Drawn, Gathered, Item, Picture
from linearityiqa.reproduce.paper import Scale

HEAD_NAMES = {"fused": "fused", "stage4": "stage 4", "stage3": "stage 3"}
"""Heads in the order of the legend: from the largest norm b to the smallest in the authors' log."""


def _bhat_needs(scale: Scale) -> tuple[BhatNeed, ...]:
    return (BhatNeed(scale.base_run(), "bhat.log"),)


def _draw_bhat(results: Gathered, scale: Scale, *, by_epoch: bool) -> Drawn:
    """Draw the norm b of each head, in every training batch or as the mean of every epoch."""
    (log,) = results.bhat.values()
    values = log.epoch_means() if by_epoch else log.values
    steps = np.arange(1, len(values.fused) + 1)
    lines = [Line(name, steps, getattr(values, head), style) for style, (head, name) in enumerate(HEAD_NAMES.items())]
    panel = Panel("", "Norm b (mean of the epoch)" if by_epoch else "Norm b", lines)
    figure = line_grid([[panel]], x_label="Epoch" if by_epoch else "Iteration", width=COLUMN_WIDTH, panel_height=2.0)
    caption = "Norm b of each head's centred predictions"
    caption += ", mean over the training batches of each epoch" if by_epoch else " in every training batch"
    caption += " of the base run."
    if scale.is_paper and not by_epoch:  # 7058 = 882 x 8 + 2
        caption += " The regular dips are the last batch of each epoch, of two images."
    first = {"epochs": steps.tolist()} if by_epoch else {"iterations_per_epoch": log.iterations_per_epoch}
    rest = len(log) % log.iterations_per_epoch
    return Drawn(
        numbers={**first, **{head: plain(getattr(values, head)) for head in HEADS}},
        pictures={"figA2" if by_epoch else "figA1": Picture(figure, caption)},
        sentences=(f"The last epoch has {rest} of {log.iterations_per_epoch} iterations.",) if rest else (),
    )


FIGA1, FIGA2 = (
    Item(name=name, title=title, needs=_bhat_needs, draw=partial(_draw_bhat, by_epoch=by_epoch), log_bhat=True)
    for name, title, by_epoch in (
        ("figA1", "The norm b by iteration", False),
        ("figA2", "The norm b by epoch", True),
    )
)
