"""Oracle: what each distortion does to signals whose answer is known: sinusoids, flat fields, points, codecs."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from linearityiqa.data.synthetic import distortions
from linearityiqa.data.synthetic.dead_leaves import render
from linearityiqa.data.synthetic.distortions import DISTORTIONS, between, motion_kernel, to_display, to_light

EVERY = pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda d: d.__name__)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def scene():
    return render(96, 128, rng(3))


def flat(value: int, size: int = 128) -> np.ndarray:
    return np.full((size, size, 3), value, dtype=np.uint8)


def wave(period: int) -> np.ndarray:
    light = 0.4 + 0.3 * np.sin(2 * np.pi * np.arange(128) / period)
    return to_display(np.broadcast_to(light[None, :, None], (128, 128, 3)).astype(np.float32))


def swing(image: np.ndarray) -> float:
    """Amplitude of a wave in light, away from the borders."""
    middle = to_light(image)[32:-32, 32:-32, 1].mean(axis=0)
    return float(np.ptp(middle) / 2)


@EVERY
def test_severity_and_generator_determine_the_image_that_comes_back(distortion, scene):
    before = scene.copy()
    for severity in (0.01, 0.5, 1.0):
        out = distortion(scene, severity, rng(1))
        assert (out.shape, out.dtype) == (scene.shape, np.uint8)
        np.testing.assert_array_equal(out, distortion(scene, severity, rng(1)))
    np.testing.assert_array_equal(scene, before)


@EVERY
def test_the_error_grows_from_next_to_nothing(distortion, scene):
    errors = [np.sqrt(np.mean((distortion(scene, s, rng(2)).astype(float) - scene) ** 2)) for s in (0, 0.3, 0.65, 1)]
    assert errors[0] < 16
    assert errors == sorted(errors)
    assert errors[-1] > 20


def test_gaussian_blur_attenuates_a_wave_as_its_transform():
    sigma, period = between(0.4, 6.0, 0.6), 16
    blurred = distortions.gaussian_blur(wave(period), 0.6, rng())
    expected = np.exp(-2 * (np.pi * sigma / period) ** 2)
    assert swing(blurred) / swing(wave(period)) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("length", [1.0, 2.5, 9.0, 24.0])
@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, 2.5])
def test_motion_kernel_is_an_even_line(length, angle):
    kernel = motion_kernel(length, angle)
    reach = kernel.shape[0] // 2
    rows, columns = np.indices(kernel.shape) - reach
    along = columns * np.cos(angle) + rows * np.sin(angle)
    across = columns * np.sin(angle) - rows * np.cos(angle)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1)
    assert (kernel * along).sum() == pytest.approx(0, abs=1e-5)
    # a uniform line of length - 1 has variance (length - 1)^2 / 12; sharing among pixels adds at most 1/4 to each axis
    expected = (length - 1) ** 2 / 12
    assert expected - 1e-6 <= (kernel * along**2).sum() <= 1.2 * expected + 0.3
    assert (kernel * across**2).sum() <= 0.3


def test_motion_blur_is_the_direct_convolution(scene):
    blurred = distortions.motion_blur(scene, 0.7, rng(4))
    kernel = motion_kernel(between(2.0, 30.0, 0.7), rng(4).uniform(0, np.pi))
    direct = ndimage.convolve(to_light(scene), kernel[..., None], mode="reflect")
    assert np.abs(blurred.astype(int) - to_display(direct)).max() <= 1


def test_exposure_is_a_factor_in_light_either_way():
    exposed = [distortions.exposure(flat(110), 0.5, rng(seed)) for seed in range(8)]
    stops = [np.log2(to_light(image) / to_light(flat(110))).mean() for image in exposed]
    np.testing.assert_allclose(np.abs(stops), 0.5 * 2.3, atol=0.05)
    assert min(stops) < 0 < max(stops)


def test_low_contrast_keeps_the_mean_and_scales_the_deviation(scene):
    out = distortions.low_contrast(scene, 0.5, rng())
    np.testing.assert_allclose(out.mean(axis=(0, 1)), scene.mean(axis=(0, 1)), atol=0.3)
    np.testing.assert_allclose(out.std(axis=(0, 1)) / scene.std(axis=(0, 1)), 1 - 0.78 * 0.5, rtol=0.01)


def test_gaussian_noise_has_its_deviation_in_every_channel():
    noise = distortions.gaussian_noise(flat(128, 256), 0.5, rng()).astype(float) - 128
    np.testing.assert_allclose(noise.std(axis=(0, 1)), between(3.0, 55.0, 0.5), rtol=0.02)
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.02


@pytest.mark.parametrize("value", [90, 128, 170])
def test_shot_noise_has_the_variance_of_counts(value):
    """Var(N / peak) = light / peak for a Poisson count N of mean light * peak."""
    photons = between(2000.0, 8.0, 0.5)  # so few that a count is more than a grey level
    light = to_light(flat(value, 256))
    noisy = to_light(distortions.shot_noise(flat(value, 256), 0.5, rng()))
    assert noisy.mean() == pytest.approx(light.mean(), rel=0.01)
    assert noisy.var() == pytest.approx(light.mean() / photons, rel=0.03)


def test_impulse_noise_hits_its_share_of_pixels_half_black_half_white():
    out = distortions.impulse_noise(flat(100, 256), 1.0, rng())
    assert (out == 0).all(axis=2).mean() == pytest.approx(0.085, rel=0.1)
    assert (out == 255).all(axis=2).mean() == pytest.approx(0.085, rel=0.1)
    assert ((out == 0) | (out == 255) | (out == 100)).all()


def test_resample_loses_what_the_small_image_cannot_hold():
    severity = np.log(4 / 1.2) / np.log(14 / 1.2)  # a quarter in each direction: waves below 8 pixels are lost
    assert swing(distortions.resample(wave(4), severity, rng())) < 0.1 * swing(wave(4))
    assert swing(distortions.resample(wave(32), severity, rng())) > 0.9 * swing(wave(32))


def test_jpeg_at_factor_one_is_quality_50(scene):
    stream = io.BytesIO()
    Image.fromarray(scene).save(stream, format="JPEG", quality=50)
    severity = np.log(1 / 0.2) / np.log(30 / 0.2)
    np.testing.assert_array_equal(distortions.jpeg(scene, severity, rng()), np.asarray(Image.open(stream)))


def test_light_and_display_are_inverse():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(to_display(to_light(every)), every)
    assert to_light(flat(255)).max() == 1
