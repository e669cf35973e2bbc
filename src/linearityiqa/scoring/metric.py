"""Mean predicted quality of images as a metric of torchmetrics."""

import os
from typing import Any

from linearityiqa.extras import require

require("torchmetrics", "torchmetrics")

import torch  # noqa: E402 - after the check for it
from torch import Tensor  # noqa: E402
from torchmetrics import Metric  # noqa: E402

from linearityiqa.scoring.differentiable import require_range  # noqa: E402
from linearityiqa.scoring.prepared import ROUNDING  # noqa: E402
from linearityiqa.scoring.scorer import Scorer  # noqa: E402


class QualityMetric(Metric):
    """Mean predicted quality of the images that a network makes, on the scale of the model; higher is better.

    It works in a `MetricCollection` of torchmetrics, and sums over processes.

    Args:
        model: a `Scorer` with a torch model, or its model file; ``bundled`` is the model in the package (extra timm).
        options: of torchmetrics' `Metric`, e.g. ``dist_sync_on_step``.

    Raises:
        ConfigError: the model is not run by torch.
        ModelFileError: the model file cannot be used.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, model: Scorer | str | os.PathLike[str], **options: Any) -> None:
        super().__init__(**options)
        scorer = model if isinstance(model, Scorer) else Scorer(model, device="cpu")
        self.quality = scorer.as_module()
        self.add_state("total", default=torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, images: Tensor) -> None:
        """Add a batch.

        Args:
            images: RGB, shape (N, 3, H, W): floating point in 0..1, or uint8 in 0..255.

        Raises:
            TypeError, ValueError: images of another type, shape or range.
        """
        with torch.no_grad():
            pixels = images / 255 if images.dtype == torch.uint8 else images
            require_range(pixels, ROUNDING)
            scores: Tensor = self.quality(pixels)
        self.total += scores.sum().to(self.total)
        self.count += len(scores)

    def compute(self) -> Tensor:
        """The mean score of all images since the last reset; not a number where there were none."""
        return self.total / self.count
