"""Random changes of training images."""

import torch
from PIL import Image

from linearityiqa.config import AugmentationConfig
from linearityiqa.errors import DataError


class Augmentation:
    """Small rotation, horizontal flip and random crop, as in the paper's optional augmentation, and turns and scales.

    With `turn_p` or `scale_min`, three draws come first: whether to turn, to which side, and the factor of the scale.
    Then every call takes four draws from its generator, whatever the options: the crop's top and left edge
    (uniform over the positions in the image), the angle (uniform in [-angle, angle] degrees, counter-clockwise), and
    whether to flip. The image is then rotated about its centre (nearest neighbour, corners black), flipped and cropped.
    """

    def __init__(self, config: AugmentationConfig) -> None:
        self.config = config
        self.size = (config.crop_size_h, config.crop_size_w)
        """(height, width) of every augmented image."""

    def __call__(self, image: Image.Image, generator: torch.Generator) -> Image.Image:
        """Return the augmented RGB image; with `scale_min` one smaller than the crop is enlarged to it."""
        if self.config.turn_p > 0 or self.config.scale_min < 1:
            image = self._turned_and_scaled(image, generator)
        self.check(image.height, image.width)
        height, width = self.size
        top = int(torch.randint(image.height - height + 1, (), generator=generator))
        left = int(torch.randint(image.width - width + 1, (), generator=generator))
        angle = self.config.angle * (2 * float(torch.rand((), generator=generator)) - 1)
        flip = float(torch.rand((), generator=generator)) < self.config.hflip_p

        rotated = image.rotate(angle, Image.Resampling.NEAREST)
        flipped = rotated.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else rotated
        return flipped.crop((left, top, left + width, top + height))

    def check(self, height: int, width: int) -> None:
        """Raise DataError if an image of this size is smaller than the crop; with `scale_min` it would be enlarged."""
        if self.config.scale_min == 1 and (height < self.size[0] or width < self.size[1]):
            raise DataError(
                f"an image of {height} x {width} (height x width) is smaller than the crop of {self.size[0]} x "
                f"{self.size[1]}. Lower --crop_size_h and --crop_size_w, or enlarge the images with --resize."
            )

    def _turned_and_scaled(self, image: Image.Image, generator: torch.Generator) -> Image.Image:
        turns, side, place = torch.rand(3, generator=generator).tolist()
        height, width = self.size
        fits = min(image.width, image.height) >= max(height, width)
        if turns < self.config.turn_p and fits:
            image = image.transpose(Image.Transpose.ROTATE_90 if side < 0.5 else Image.Transpose.ROTATE_270)
        if self.config.scale_min == 1:
            return image
        least = max(self.config.scale_min, height / image.height, width / image.width)
        factor = least + max(0, 1 - least) * place
        size = max(width, round(image.width * factor)), max(height, round(image.height * factor))
        return image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)
