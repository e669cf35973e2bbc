"""Oracle: the model's law of radii and order of occlusion, and the spectrum that natural scenes have."""

import numpy as np
import pytest
from scipy import stats

from linearityiqa.data.synthetic.dead_leaves import cover, power_law_radii, render


def test_radii_follow_the_inverse_cube_between_the_bounds():
    radii = power_law_radii(20_000, 2.0, 50.0, np.random.default_rng(1))
    # the density 2 r^-3 / (a^-2 - b^-2), integrated
    law = stats.kstest(radii, lambda r: (2.0**-2 - r**-2.0) / (2.0**-2 - 50.0**-2))
    assert law.pvalue > 0.01
    assert radii.min() >= 2
    assert radii.max() <= 50


def test_every_pixel_shows_the_first_disc_over_it():
    leaves = cover(40, 60, 2.0, 20.0, np.random.default_rng(2))
    rows, columns = np.indices((40, 60))
    over = (rows - leaves.y[:, None, None]) ** 2 + (columns - leaves.x[:, None, None]) ** 2 <= (
        leaves.radius[:, None, None] ** 2
    )
    assert over.any(axis=0).all()
    np.testing.assert_array_equal(leaves.owner, over.argmax(axis=0))


def test_places_are_even():
    """Centres of visible leaves prefer no side: the window's border is no border of the model."""
    centres = np.concatenate([cover(50, 50, 3.0, 25.0, np.random.default_rng([3, k])).x for k in range(30)])
    assert abs(np.mean(centres) - 25) < 4 * np.std(centres) / np.sqrt(len(centres))


def test_a_scene_is_a_function_of_its_generator():
    first, again, other = (render(64, 80, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert first.shape == (64, 80, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


@pytest.mark.parametrize("seed", [0, 1])
def test_power_falls_with_frequency_as_in_photographs(seed):
    """Field (1987): power proportional to f^-2, give or take; flat noise would have slope 0."""
    power = 0
    for k in range(4):
        grey = render(128, 128, np.random.default_rng([seed, k])).mean(axis=2)
        power = power + np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(np.hanning(128), np.hanning(128)))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    band = (frequency > 0.03) & (frequency < 0.3)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert -3.2 < slope < -1.5


def test_leaves_are_neither_flat_nor_clipped():
    scene = render(96, 128, np.random.default_rng(6)).astype(float)
    steps = np.abs(np.diff(scene.mean(axis=2), axis=1))
    assert (steps > 0).mean() > 0.7
    assert ((scene == 0) | (scene == 255)).all(axis=2).mean() < 0.05
