"""Oracles: Pillow's and numpy's own geometry, torchvision's functions with the same draws, and uniform statistics."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from linearityiqa.config import AugmentationConfig
from linearityiqa.data.loading.augmentation import Augmentation
from linearityiqa.data.loading.dataset import generator_for
from linearityiqa.errors import DataError


def photo(height: int = 40, width: int = 60) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8))


def augmentation(**options: float) -> Augmentation:
    return Augmentation(AugmentationConfig(augmentation=True, **{"crop_size_h": 32, "crop_size_w": 24, **options}))


@pytest.mark.parametrize("index", range(8))
def test_it_rotates_then_flips_then_crops_as_torchvision_does(index):
    """The draws, in their documented order, handed to torchvision's functional transforms."""
    generator = generator_for(1, 0, index)
    top = int(torch.randint(40 - 32 + 1, (), generator=generator))
    left = int(torch.randint(60 - 24 + 1, (), generator=generator))
    angle = float(torch.rand((), generator=generator)) * 4 - 2
    flip = float(torch.rand((), generator=generator)) < 0.5
    expected = reference.rotate(photo(), angle, InterpolationMode.NEAREST)
    expected = reference.crop(reference.hflip(expected) if flip else expected, top, left, 32, 24)

    result = augmentation()(photo(), generator_for(1, 0, index))
    assert np.array_equal(np.asarray(result), np.asarray(expected))


def test_turns_and_scales_come_first_as_pillow_makes_them():
    """The three draws, in their documented order, handed to Pillow; then the four of the paper's augmentation."""
    image = photo(60, 80)
    for index in range(8):
        generator = generator_for(1, 0, index)
        turns, side, place = torch.rand(3, generator=generator).tolist()
        expected = image
        if turns < 0.5:
            expected = image.rotate(90 if side < 0.5 else -90, expand=True)
        least = max(0.6, 32 / expected.height, 24 / expected.width)
        size = [round(length * (least + (1 - least) * place)) for length in expected.size]
        expected = expected.resize(size, Image.Resampling.BILINEAR)
        expected = augmentation()(expected, generator)
        result = augmentation(turn_p=0.5, scale_min=0.6)(image, generator_for(1, 0, index))
        assert np.array_equal(np.asarray(result), np.asarray(expected))


def test_a_scale_never_goes_below_the_crop_and_what_a_turn_makes_too_narrow_is_not_turned():
    smallest = augmentation(turn_p=1, scale_min=0.01)
    for index in range(8):
        assert smallest(photo(32, 24), generator_for(1, 0, index)).size == (24, 32)
        assert smallest(photo(20, 23), generator_for(1, 0, index)).size == (24, 32)  # enlarged to the crop
    with pytest.raises(DataError, match="smaller than the crop"):
        augmentation(turn_p=1)(photo(20, 23), generator_for(1, 0, 0))


def test_the_global_stream_is_neither_read_nor_moved():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = np.asarray(augmentation()(photo(), generator_for(9, 4, 2)))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert np.array_equal(np.asarray(augmentation()(photo(), generator_for(9, 4, 2))), first)


@pytest.mark.parametrize("flip_probability", [0.0, 1.0])
def test_without_rotation_the_result_is_a_part_of_the_image_or_of_its_mirror_image(flip_probability):
    view = np.asarray(photo())[:, :: -1 if flip_probability else 1]
    windows = np.lib.stride_tricks.sliding_window_view(view, (32, 24, 3))[:, :, 0]
    result = np.asarray(augmentation(angle=0, hflip_p=flip_probability)(photo(), generator_for(0, 0, 0)))
    assert (windows == result).all(axis=(2, 3, 4)).sum() == 1


def test_every_corner_is_drawn():
    """All 2 x 3 positions of a 3 x 2 crop in a 4 x 4 image come up in 200 draws (missing one: 6 (5/6)^200 < 1e-15)."""
    levels = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).convert("RGB")
    draw = augmentation(angle=0, hflip_p=0, crop_size_h=3, crop_size_w=2)
    corners = {int(np.asarray(draw(levels, generator_for(0, 0, index)))[0, 0, 0]) for index in range(200)}
    assert corners == {0, 1, 2, 4, 5, 6}


def test_the_whole_image_is_a_valid_crop():
    draw = augmentation(angle=0, hflip_p=0, crop_size_h=40, crop_size_w=60)
    assert np.array_equal(np.asarray(draw(photo(), generator_for(0, 0, 0))), np.asarray(photo()))
    assert draw.size == (40, 60)


@pytest.mark.parametrize("size", [(31, 60), (40, 23)])
def test_an_image_smaller_than_the_crop_is_refused_with_a_remedy(size):
    with pytest.raises(DataError, match=rf"{size[0]} x {size[1]} .*crop of 32 x 24.*--crop_size_h"):
        augmentation()(photo(*size), generator_for(0, 0, 0))
