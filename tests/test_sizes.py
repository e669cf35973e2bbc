"""The arithmetic of sizes against torch's own pooling layers, and against the plain search for the first that fits."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.config import ModelConfig
from linearityiqa.errors import ImageTooSmallError
from linearityiqa.sizes import TapGeometry, check_image_size, divides, smallest_pixels, smallest_size


@given(size=st.integers(1, 80), levels=st.integers(1, 8))
def test_divides_is_what_torch_pooling_makes_of_it(size, levels):
    def grid(level):
        return F.avg_pool2d(torch.empty(1, 1, size, size, device="meta"), size // level).shape[-1]

    assert divides(size, levels) == all(size >= level and grid(level) == level for level in range(1, levels + 1))


@given(size=st.integers(-40, 80), levels=st.integers(1, 16))
def test_smallest_size_is_the_first_that_divides(size, levels):
    smallest = smallest_size(size, levels)
    assert divides(smallest, levels)
    assert not any(divides(candidate, levels) for candidate in range(max(size, 1), smallest))


def test_smallest_pixels_is_the_first_side_on_which_everything_fits():
    taps, levels = (TapGeometry(16, -15), TapGeometry(32, -31)), (3, 2)

    def fits(pixels: int) -> bool:
        return all(divides(tap.size(pixels), level) for tap, level in zip(taps, levels, strict=True))

    fitting = [pixels for pixels in range(1, 600) if fits(pixels)]
    for pixels in range(1, 500):
        assert smallest_pixels(pixels, taps, levels) == next(side for side in fitting if side >= pixels)


def test_a_size_that_does_not_fit_is_refused_with_the_smallest_that_does():
    config, taps = ModelConfig(architecture="net", P6=3, P7=2), (TapGeometry(16, 0), TapGeometry(32, 0))
    with pytest.raises(ImageTooSmallError, match=r"images of 95 x 128 .* do not fit net .* works is 144 x 144 pixels"):
        check_image_size(
            95, 128, config, taps
        )  # of 6 and 8 on stage 3 and 3 on stage 4, three and two levels divide only 6
    check_image_size(144, 144, config, taps)
