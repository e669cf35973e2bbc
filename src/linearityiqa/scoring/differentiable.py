"""The score as a differentiable function of the pixels, and the loss that raises it."""

import copy
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from linearityiqa.config.checks import require_choice
from linearityiqa.images import ImageTransform
from linearityiqa.models import LinearityIQA
from linearityiqa.quality import QualityScores
from linearityiqa.record import ModelRecord

Reduction = Literal["mean", "sum", "none"]


class DifferentiableQuality(nn.Module):
    """The scores of a `Scorer`, differentiable in the images; the model itself is frozen, in evaluation mode for ever.

    The transform is that of scoring, but in floating point: Pillow rounds what it resizes to 8 bits, so that pixels
    differ by up to one level of 255. Images that need no resizing get the scorer's scores.

    Args:
        network: is copied, with its device.
        record: transform, mapping and scale.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: LinearityIQA, record: ModelRecord) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.scale = record.scale
        self._transform = ImageTransform.of(record.config.transform)
        self._line = record.mapping.fused
        device = next(self.network.parameters()).device
        for name, values in (("mean", record.normalisation.mean), ("std", record.normalisation.std)):
            self.register_buffer(name, torch.tensor(values, device=device).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Scores on the scale of the model, shape (N,).

        Args:
            images: RGB, floating point in 0..1, shape (N, 3, H, W). Values beyond are taken as they are.

        Raises:
            TypeError: images of integers.
            ValueError: images of another shape.
            ImageTooSmallError: the network's pooling windows do not fit on the images.
        """
        if not images.is_floating_point():
            raise TypeError(f"images must be floating point in 0..1, got {images.dtype}: divide by 255")
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images must have the shape (N, 3, H, W), got {tuple(images.shape)}")
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


class ImageQualityLoss(nn.Module):
    """Distance of images below the best quality of the scale, as a loss for image restoration.

    0 is the upper end of the scale and 1 the lower one; scores are not clipped, so the loss may lie outside. Where the
    scale is unknown, the loss is the negative score.

    Args:
        quality: gives the scores.
        reduction: mean or sum over the images, or none: a value for each.
    """

    def __init__(self, quality: DifferentiableQuality, reduction: Reduction = "mean") -> None:
        super().__init__()
        require_choice("reduction", reduction, get_args(Reduction))
        self.quality = quality
        self._reduction = reduction

    def forward(self, images: Tensor) -> Tensor:
        """The loss of images in 0..1, shape (N, 3, H, W): a scalar, or of shape (N,) without reduction."""
        scores: Tensor = self.quality(images)
        scale = self.quality.scale
        losses = -scores if scale is None else (scale.high - scores) / (scale.high - scale.low)
        if self._reduction == "none":
            return losses
        return losses.mean() if self._reduction == "mean" else losses.sum()
