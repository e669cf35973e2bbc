"""Oracle: torchvision's transforms."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from linearityiqa.images import IMAGENET_MEAN, IMAGENET_STD, ImageTransform, normalise


def photo(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_normalise_equals_torchvision_to_the_bit():
    image = photo(31, 17)
    expected = transforms.Compose([transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)])(image)
    values = normalise(image)
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    assert torch.equal(torch.from_numpy(values), expected)


def test_every_level_is_normalised_as_torchvision_does():
    levels = Image.fromarray(np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2))
    expected = transforms.Compose([transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)])(levels)
    assert torch.equal(torch.from_numpy(normalise(levels)), expected)


def test_resizing_equals_torchvision_on_pillow_images():
    image = photo(48, 64)
    expected = transforms.Resize((30, 50))(image)
    assert np.array_equal(np.asarray(ImageTransform((30, 50)).pixels(image)), np.asarray(expected))
    assert ImageTransform((30, 50))(image).shape == (3, 30, 50)


def test_the_common_size_comes_first_and_spares_images_that_have_it():
    image = photo(48, 64)
    twice = transforms.Compose([transforms.Resize((20, 20)), transforms.Resize((30, 50))])(image)
    transform = ImageTransform((30, 50), common_size=(20, 20))
    assert np.array_equal(np.asarray(transform.pixels(image)), np.asarray(twice))
    assert ImageTransform(common_size=(48, 64)).pixels(image) is image


@pytest.mark.parametrize("size", [None, (30, 50)])
@pytest.mark.parametrize("common_size", [None, (20, 25)])
def test_the_output_size_is_that_of_the_pixels(size, common_size):
    transform = ImageTransform(size, common_size)
    pixels = transform.pixels(photo(48, 64))
    assert transform.output_size((48, 64)) == (pixels.height, pixels.width)
