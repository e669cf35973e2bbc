"""The mean predicted quality of images, as a metric for a training loop."""

import importlib
import os
from typing import Any

from linearityiqa.extras import require

require("torch", "train")

import torch  # noqa: E402 - after the check for it
from torch import Tensor, nn  # noqa: E402

from linearityiqa.scoring.scorer import Scorer  # noqa: E402


class PlainMetric(nn.Module):
    """The part of torchmetrics' `Metric` that `QualityMetric` needs, for when torchmetrics is not installed.

    All states are sums. They are not gathered from other processes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._defaults: dict[str, Tensor] = {}

    def add_state(self, name: str, default: Tensor, dist_reduce_fx: str) -> None:
        """Register a state: a buffer that `reset` sets to its default."""
        self._defaults[name] = default
        self.register_buffer(name, default.clone(), persistent=False)

    def reset(self) -> None:
        """Forget all images."""
        for name, default in self._defaults.items():
            setattr(self, name, default.to(getattr(self, name).device, copy=True))

    def update(self, *values: Any) -> None:
        """Take in a batch."""
        raise NotImplementedError

    def compute(self) -> Tensor:
        """The metric of all batches since the last reset."""
        raise NotImplementedError

    def forward(self, *values: Any) -> Tensor:
        """Update with a batch; the metric of this batch alone."""
        before = {name: getattr(self, name) for name in self._defaults}
        self.reset()
        self.update(*values)
        of_batch: Tensor = self.compute()
        for name, state in before.items():
            setattr(self, name, state + getattr(self, name))
        return of_batch


def _metric_class() -> Any:
    try:
        return importlib.import_module("torchmetrics").Metric
    except ImportError:
        return PlainMetric


class QualityMetric(_metric_class()):  # type: ignore[misc]  # torchmetrics is not required
    """Mean predicted quality of the images that a network makes, on the scale of the model; higher is better.

    With torchmetrics installed this is one of its metrics: it works in a `MetricCollection`, and sums over processes.

    Args:
        model: a `Scorer` with a torch model, or its model file.
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
        """Take in a batch.

        Args:
            images: RGB, shape (N, 3, H, W): floating point in 0..1, or uint8 in 0..255.
        """
        with torch.no_grad():
            scores: Tensor = self.quality(images / 255 if images.dtype == torch.uint8 else images)
        self.total += scores.sum().to(self.total)
        self.count += len(scores)

    def compute(self) -> Tensor:
        """The mean score of all images since the last reset; not a number where there were none."""
        return self.total / self.count
