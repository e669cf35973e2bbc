"""The score as a differentiable function of the pixels, and the loss that raises it."""

import copy
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from linearityiqa.config.checks import require_choice
from linearityiqa.images import ImageTransform
from linearityiqa.models import LinearityIQA
from linearityiqa.quality import QualityScores
from linearityiqa.record import ModelRecord

Reduction = Literal["mean", "sum", "none"]
OVERSHOOT = 0.5
"""Largest excess of the first images of a module over 0..1: less than that of -1..1, more than of unclamped outputs."""


def require_range(images: Tensor, beyond: float) -> None:
    """Raise `ValueError` unless images lie in 0..1, or at most `beyond` outside; integers and empty batches pass."""
    if images.is_floating_point() and images.numel():
        low, high = map(float, images.detach().aminmax())
        if not (low >= -beyond and high <= 1 + beyond):  # also where one is not a number
            raise ValueError(
                f"images lie in {low:.4g}..{high:.4g}, and must lie in 0..1: divide 0..255 by 255, take (images + 1) / "
                "2 of -1..1, and clamp what overshoots"
            )


class DifferentiableQuality(nn.Module):
    """The scores of a `Scorer`, differentiable in the images; the copied network stays frozen, in evaluation mode.

    The transform is that of scoring, but in floating point: Pillow rounds resized images to 8 bits, so that pixels
    differ by up to one level of 255. Images that need no resizing get the scorer's scores. The state dict is empty: a
    checkpoint of a module with this one inside holds no frozen weights, and loads whether it holds them or not.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: LinearityIQA, record: ModelRecord) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.scale = record.scale
        self._transform = ImageTransform.of(record.config.transform)
        self._line = record.mapping.fused
        self._checked = False
        device = next(self.network.parameters()).device
        for name, values in (("mean", record.normalisation.mean), ("std", record.normalisation.std)):
            self.register_buffer(name, torch.tensor(values, device=device).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Compute scores on the scale of the model, shape (N,).

        Args:
            images: RGB, floating point in 0..1, shape (N, 3, H, W). Only the first ones are checked: they may exceed
                it by half the range, as the output of a network does, but not lie in 0..255 or -1..1.

        Raises:
            TypeError: images of integers.
            ValueError: images of another shape or range.
            ImageTooSmallError: the network's pooling windows do not fit on the images.
        """
        if not images.is_floating_point():
            raise TypeError(f"images must be floating point in 0..1, got {images.dtype}: divide by 255")
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images must have the shape (N, 3, H, W), got {tuple(images.shape)}")
        if not self._checked:  # once: on a GPU each check waits for all that is under way
            require_range(images, OVERSHOOT)
            self._checked = images.numel() > 0
        pixels = images.to(self.mean.dtype)
        size = self._transform.output_size((pixels.shape[2], pixels.shape[3]))
        if size != tuple(pixels.shape[2:]):
            pixels = functional.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False)
        scores: QualityScores[Tensor] = self.network((pixels - self.mean) / self.std)
        return self._line.slope * scores.fused + self._line.intercept

    def train(self, mode: bool = True) -> "DifferentiableQuality":
        """Stay in evaluation mode, also as part of a module that trains."""
        super().train(False)
        return self

    def state_dict(  # type: ignore[override]
        self, *_: Any, destination: dict[str, Any] | None = None, **__: Any
    ) -> dict[str, Any]:
        """Return nothing: the weights are frozen, and those of the model file."""
        return {} if destination is None else destination

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        """Put the frozen weights in place of what a checkpoint holds of them: nothing, or version 1.0.0's copy."""
        state_dict.clear()
        state_dict |= {f"{prefix}network.{name}": value for name, value in self.network.state_dict().items()}
        super()._load_from_state_dict(state_dict, prefix, *arguments)


class ImageQualityLoss(nn.Module):
    """Distance of images below the best quality of the scale, as a loss for image restoration.

    0 is the upper end of the scale and 1 the lower one; scores are not clipped, so the loss may exceed this range.
    Where the scale is unknown, the loss is the negative score. The reduction none gives a value for each image.
    """

    def __init__(self, quality: DifferentiableQuality, reduction: Reduction = "mean") -> None:
        super().__init__()
        require_choice("reduction", reduction, get_args(Reduction))
        self.quality = quality
        self._reduction = reduction

    def forward(self, images: Tensor) -> Tensor:
        """Compute the loss of images in 0..1, shape (N, 3, H, W): a scalar, or of shape (N,) without reduction."""
        scores: Tensor = self.quality(images)
        scale = self.quality.scale
        losses = -scores if scale is None else (scale.high - scores) / (scale.high - scale.low)
        if self._reduction == "none":
            return losses
        return losses.mean() if self._reduction == "mean" else losses.sum()
