"""Procedural scenes: the dead-leaves model, with shaded and textured leaves.

Opaque discs at uniformly random places, their radii distributed as r^-3 between two bounds, each hiding what is
behind it. With this law the picture is (between the bounds) scale invariant, and shares occlusion, edges, the
power spectrum and the statistics of local contrast with photographs: A. B. Lee, D. Mumford, J. Huang, "Occlusion
models for natural images: a statistical study of a scale-invariant dead leaves model", IJCV 41, 2001.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from skimage.color import hsv2rgb

from linearityiqa.data.synthetic.distortions import ByteImage, FloatImage, to_bytes, to_display, to_light

SUPERSAMPLING = 2
"""Factor by which a scene is drawn larger before it is averaged, so that its edges are smooth as a lens makes them."""

SMALLEST_RADIUS = (1 / 64, 1 / 12)
"""Bounds between which a scene's smallest radius is drawn, as parts of its smaller side: a far view or a near one."""

LARGEST_RADIUS = 1 / 2
"""The largest radius, as a part of the scene's smaller side."""

HUES = ((0.07, 0.03), (0.13, 0.03), (0.27, 0.06), (0.58, 0.04))
"""Mean and deviation of the hues of earth and skin, straw, foliage, sky and water, as parts of the colour circle."""

TEXTURES = 5
"""Fields of noise in a scene; every leaf is cut from one of them."""


class Leaves(NamedTuple):
    """Discs, their centres and radii in pixels, and which of them is seen where."""

    owner: NDArray[np.int32]
    """Number of the leaf seen at every pixel, shape (height, width); smaller numbers are in front."""
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    radius: NDArray[np.float32]


def render(height: int, width: int, rng: np.random.Generator) -> ByteImage:
    """Render a scene, shape (height, width, 3)."""
    tall, wide = height * SUPERSAMPLING, width * SUPERSAMPLING
    smaller = min(tall, wide)
    smallest = np.exp(rng.uniform(*np.log(SMALLEST_RADIUS)))
    leaves = cover(tall, wide, smallest * smaller, LARGEST_RADIUS * smaller, rng)
    light = _colours(len(leaves.x), rng)[leaves.owner]
    light *= (_shading(leaves, rng) * _textures(leaves, rng) * _shadows(leaves, rng))[..., None]
    light = light.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean(axis=(1, 3))
    # exposed as a camera would: a few highlights clip
    return to_display(light * np.float32(rng.uniform(0.75, 1.0) / np.percentile(light.max(axis=2), 98)))


def power_law_radii(count: int, smallest: float, largest: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw radii of density proportional to r^-3 on [smallest, largest], by inverting the distribution function."""
    low, high = smallest**-2.0, largest**-2.0
    return np.asarray((low - rng.random(count) * (low - high)) ** -0.5)


def cover(height: int, width: int, smallest: float, largest: float, rng: np.random.Generator) -> Leaves:
    """Throw discs, each behind those before it, until no pixel is bare.

    Front to back, the finished picture is an exact sample of the model: no disc that comes later can be seen.
    """
    owner = np.full((height, width), -1, dtype=np.int32)
    bare = owner.size
    seen: list[tuple[float, float, float]] = []
    while bare:
        radius = power_law_radii(4096, smallest, largest, rng)
        y = rng.uniform(-largest, height + largest, radius.size)
        x = rng.uniform(-largest, width + largest, radius.size)
        near = (y > -radius) & (y < height + radius) & (x > -radius) & (x < width + radius)
        for disc in zip(y[near].tolist(), x[near].tolist(), radius[near].tolist(), strict=True):
            covered = _throw(owner, *disc, len(seen))
            if covered:
                seen.append(disc)
                bare -= covered
    y, x, radius = np.array(seen, dtype=np.float32).T
    return Leaves(owner, x, y, radius)


def _throw(owner: NDArray[np.int32], y: float, x: float, radius: float, number: int) -> int:
    """Give a disc the bare pixels under it, and return how many there were."""
    top, left = max(0, int(y - radius)), max(0, int(x - radius))
    box = owner[top : int(y + radius) + 1, left : int(x + radius) + 1]
    bare = box < 0
    if not bare.any():
        return 0
    rows = np.arange(top, top + box.shape[0]) - y
    columns = np.arange(left, left + box.shape[1]) - x
    bare &= (rows * rows)[:, None] + columns * columns <= radius * radius
    box[bare] = number
    return int(np.count_nonzero(bare))


def _colours(count: int, rng: np.random.Generator) -> FloatImage:
    """Draw the reflectance of each leaf, shape (count, 3): few hues a scene, mostly muted, any lightness."""
    kind = rng.choice(len(HUES) + 1, count, p=rng.dirichlet([0.8] * len(HUES) + [0.3]))
    mean, deviation = np.array([*HUES, (0.0, 1.0)])[kind].T  # the last kind: any hue, as of paint and blossom
    hue = (mean + deviation * rng.standard_normal(count)) % 1.0
    saturation = rng.beta(1.6, 3.2, count)
    value = 0.08 + 0.9 * rng.beta(1.3, 1.3, count)
    return to_light(to_bytes(hsv2rgb(np.stack([hue, saturation, value], axis=-1))))


def _shading(leaves: Leaves, rng: np.random.Generator) -> NDArray[np.float32]:
    """Shade discs by Lambert's law: discs that bulge more or less, under one lamp."""
    rows, columns = np.indices(leaves.owner.shape, dtype=np.float32)
    bulge = rng.beta(1.6, 1.4, len(leaves.x)).astype(np.float32)
    slope = (bulge / leaves.radius)[leaves.owner]
    slope_y = (rows - leaves.y[leaves.owner]) * slope
    slope_x = (columns - leaves.x[leaves.owner]) * slope
    facing = np.sqrt(np.maximum(0.0, 1.0 - slope_y**2 - slope_x**2))
    angle, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.8)
    across = np.sqrt(1 - height**2)
    lambert = slope_y * across * np.sin(angle) + slope_x * across * np.cos(angle) + facing * height
    ambient = rng.uniform(0.08, 0.3)
    return np.asarray(ambient + (1 - ambient) * np.maximum(0.0, lambert), dtype=np.float32)


def _textures(leaves: Leaves, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the gain of every pixel: each leaf is cut from a random place of one of the scene's fields of noise."""
    # noise of the finished size, looked up without interpolation: finer grain would be averaged away
    height, width = (side // SUPERSAMPLING for side in leaves.owner.shape)
    fields = np.stack([_noise_field(height, width, rng) for _ in range(TEXTURES)])
    count = len(leaves.x)
    field = rng.integers(TEXTURES, size=count)[leaves.owner]
    rows = np.arange(leaves.owner.shape[0])[:, None] // SUPERSAMPLING
    rows = (rows + rng.integers(height, size=count)[leaves.owner]) % height
    columns = np.arange(leaves.owner.shape[1])[None, :] // SUPERSAMPLING
    columns = (columns + rng.integers(width, size=count)[leaves.owner]) % width
    strength = (0.5 * rng.beta(1.2, 2.5, count)).astype(np.float32)
    return np.asarray(np.exp(strength[leaves.owner] * fields[field, rows, columns]))


def _noise_field(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw periodic Gaussian noise of unit deviation: a power-law amplitude spectrum, stretched along one direction."""
    angle, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0, np.log(8)))
    down = fft.fftfreq(height).astype(np.float32)[:, None]
    across = fft.rfftfreq(width).astype(np.float32)[None, :]
    along = (down * np.sin(angle) + across * np.cos(angle)) * stretch
    frequency = np.sqrt(along**2 + (down * np.cos(angle) - across * np.sin(angle)) ** 2)
    amplitude = np.maximum(frequency, 1 / min(height, width)) ** -rng.uniform(0.6, 1.4)
    amplitude[0, 0] = 0
    white = rng.standard_normal((height, width), dtype=np.float32)
    noise = fft.irfft2(fft.rfft2(white) * amplitude, s=(height, width))
    return np.asarray(noise / noise.std(), dtype=np.float32)


def _shadows(leaves: Leaves, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return soft shadows that leaves cast on those behind them: darker where more of the way to the lamp is hidden."""
    reach = max(2, round(min(leaves.owner.shape) / 25))
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.7)
    padded = np.pad(leaves.owner, reach, mode="edge")
    height, width = leaves.owner.shape
    hidden = np.zeros((height, width), dtype=np.float32)
    steps = np.unique(np.linspace(1, reach, 6).round().astype(int))
    for step in steps:
        top, left = reach + round(step * np.sin(angle)), reach + round(step * np.cos(angle))
        hidden += padded[top : top + height, left : left + width] < leaves.owner
    return np.asarray(1 - depth * hidden / len(steps), dtype=np.float32)
