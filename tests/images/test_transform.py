"""Oracle: torchvision's transforms."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from linearityiqa.config import TransformConfig
from linearityiqa.images import IMAGENET, ImageTransform, Normalisation, normalise


def photo(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("own", [IMAGENET, Normalisation((0.5, 0.4, 0.3), (0.5, 0.6, 0.2))])
def test_normalise_equals_torchvision_to_the_bit_at_every_level(own):
    levels = np.arange(768).astype(np.uint8).reshape(3, 16, 16)  # all 256 in each channel
    image = Image.fromarray(levels.transpose(1, 2, 0).repeat(2, axis=0))
    expected = transforms.Compose([transforms.ToTensor(), transforms.Normalize(own.mean, own.std)])(image)
    values = normalise(image, normalisation=own)
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    assert torch.equal(torch.from_numpy(values), expected)


@pytest.mark.parametrize("std", [(0.5, 0.5, 0.0), (0.5, float("nan"), 0.5)])
def test_a_normalisation_that_gives_no_numbers_is_refused(std):
    with pytest.raises(ValueError, match="std > 0"):
        Normalisation((0.5, 0.5, 0.5), std)


def test_resizing_equals_torchvision_on_pillow_images():
    image = photo(48, 64)
    expected = transforms.Resize((30, 50))(image)
    assert np.array_equal(np.asarray(ImageTransform((30, 50)).pixels(image)), np.asarray(expected))


def test_the_common_size_comes_first_and_spares_images_that_have_it():
    image = photo(48, 64)
    twice = transforms.Compose([transforms.Resize((20, 20)), transforms.Resize((30, 50))])(image)
    transform = ImageTransform((30, 50), common_size=(20, 20))
    assert np.array_equal(np.asarray(transform.pixels(image)), np.asarray(twice))
    assert ImageTransform(common_size=(48, 64)).pixels(image) is image


@pytest.mark.parametrize("mode", ["stretch", "fit", "shrink"])
@pytest.mark.parametrize("size", [None, (30, 50), (64, 96), (128, 96)])
@pytest.mark.parametrize("common_size", [None, (20, 25)])
def test_the_output_size_is_that_of_the_pixels(size, common_size, mode):
    transform = ImageTransform(size, common_size, mode)
    pixels = transform.pixels(photo(48, 64))
    assert transform.output_size((48, 64)) == (pixels.height, pixels.width)
    assert transform.fixed_size in (None, transform.output_size((48, 64)), transform.output_size((480, 64)))


@pytest.mark.parametrize("native", [(1024, 768), (500, 500), (333, 1000), (90, 60), (3000, 4000)])
def test_fit_keeps_area_and_aspect_ratio_up_to_multiples_of_32(native):
    """Oracle: the real-valued size, of which each side is the nearest multiple of 32."""
    height, width = ImageTransform((448, 448), mode="fit").output_size(native)
    exact = np.array(native) * np.sqrt(448 * 448 / (native[0] * native[1]))
    assert height % 32 == width % 32 == 0
    assert np.abs(np.array([height, width]) - exact).max() <= 16
    assert ImageTransform((448, 448), mode="fit").output_size(native[::-1]) == (width, height)


@pytest.mark.parametrize("native", [(1, 100000), (100000, 1), (7, 9000)])
def test_no_aspect_ratio_makes_an_image_much_larger_than_the_area(native):
    height, width = ImageTransform((448, 448), mode="fit").output_size(native)
    assert 0.8 < height * width / 448**2 < 1.25


def test_shrink_reduces_large_images_and_leaves_smaller_ones_as_they_are_down_to_a_quarter():
    shrink, fit = (ImageTransform((448, 448), mode=mode) for mode in ("shrink", "fit"))
    assert shrink.output_size((3000, 4000)) == fit.output_size((3000, 4000))
    small = photo(301, 303)
    assert shrink.pixels(small) is small
    assert shrink.output_size((32, 32)) == (224, 224)


def test_the_transform_of_the_options_is_the_one_they_name():
    config = TransformConfig(resize=True, resize_size_h=64, resize_size_w=96, resize_mode="fit")
    assert ImageTransform.of(config, (20, 25)) == ImageTransform((64, 96), (20, 25), "fit")
    assert ImageTransform.of(TransformConfig()).output_size((33, 35)) == (33, 35)
