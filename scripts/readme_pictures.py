"""Make the pictures of the README and of pages of docs/, of photographs that scikit-image carries.

    python scripts/readme_pictures.py

Astronaut (NASA) and rocket (SpaceX) are in the public domain; coffee (Rachel Michetti), cat and clock (Stefan van der
Walt) are CC0. Every version is scored whole by the model in the package; the tiles show the middle of each. The
bursts are found as `score --bursts` finds them: their frames are shifted and degraded, and have no time.
"""

import importlib.resources
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from linearityiqa.data.synthetic.distortions import (
    Distortion,
    darkening,
    gaussian_blur,
    gaussian_noise,
    jpeg,
    motion_blur,
    resample,
)
from linearityiqa.scoring import Details, Scorer
from linearityiqa.scoring.bursts import Bursts

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
TILE = (216, 162)
COLUMNS = 4
GAP = 4
WIDTHS = (2000, 500, 125)
"""Of one photograph that is enlarged and reduced, in pixels."""


class Version(NamedTuple):
    """A photograph of scikit-image, what is done to it, and what the tile calls that."""

    file: str
    caption: str
    distort: Distortion | None = None
    severity: float = 0.0


VERSIONS = (
    Version("coffee.png", "dark", darkening, 1.0),
    Version("chelsea.png", "blurred", gaussian_blur, 0.75),
    Version("astronaut.png", "noisy", gaussian_noise, 0.9),
    Version("clock_motion.png", "shaken"),
    Version("coffee.png", "compressed", jpeg, 0.9),
    Version("rocket.jpg", "enlarged", resample, 0.7),
    Version("astronaut.png", "slightly noisy", gaussian_noise, 0.4),
    Version("chelsea.png", "slightly shaken", motion_blur, 0.3),
    Version("rocket.jpg", "as taken"),
    Version("astronaut.png", "as taken"),
    Version("coffee.png", "as taken"),
    Version("chelsea.png", "as taken"),
)


BURSTS = (
    Version("chelsea.png", "shaken", motion_blur, 0.5),
    Version("astronaut.png", "sharp"),
    Version("chelsea.png", "sharp"),
    Version("coffee.png", "dark", darkening, 0.7),
    Version("chelsea.png", "out of focus", gaussian_blur, 0.5),
    Version("coffee.png", "slightly shaken", motion_blur, 0.25),
    Version("astronaut.png", "noisy", gaussian_noise, 0.5),
    Version("astronaut.png", "sharp too"),
    Version("coffee.png", "sharp"),
)
"""Frames in the order in which they were taken, as it were."""


def render(version: Version) -> Image.Image:
    """The version of the photograph, at full size."""
    with Image.open(str(importlib.resources.files("skimage") / "data" / version.file)) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    if version.distort is not None:
        pixels = version.distort(pixels, version.severity, np.random.default_rng(0))
    return Image.fromarray(pixels)


def tile(image: Image.Image, text: str, size: tuple[int, int] = TILE) -> Image.Image:
    """The middle of a picture with a line of text on a dark band, readable on a light and on a dark page."""
    width, height = size
    factor = max(width / image.width, height / image.height)
    whole = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
    left, top = (whole.width - width) // 2, (whole.height - height) // 3
    shown = whole.crop((left, top, left + width, top + height))
    draw = ImageDraw.Draw(shown, "RGBA")
    draw.rectangle((0, height - 24, width, height), fill=(0, 0, 0, 170))
    draw.text((7, height - 12), text, fill="white", anchor="lm", font=ImageFont.load_default(14))
    return shown


def strip(folder: Path, scorer: Callable[[Image.Image], float]) -> Path:
    """Write the versions from worst to best, with their scores."""
    pictures = sorted(((scorer(image := render(version)), version, image) for version in VERSIONS), key=lambda p: p[0])
    rows = -(-len(pictures) // COLUMNS)
    size = (COLUMNS * (TILE[0] + GAP) - GAP, rows * (TILE[1] + GAP) - GAP)
    canvas = Image.new("RGBA", size, (0, 0, 0, 0))
    for place, (score, version, image) in enumerate(pictures):
        row, column = divmod(place, COLUMNS)
        corner = (column * (TILE[0] + GAP), row * (TILE[1] + GAP))
        canvas.paste(tile(image, f"{score:.0f}   {version.caption}"), corner)
    path = folder / "scores.webp"
    canvas.save(path, quality=82)
    return path


def bursts(folder: Path) -> Path:
    """Write a row for each burst, the best frame first, with its lead over the next."""
    frames = []
    for number, version in enumerate(BURSTS):
        image = render(version)
        left, top = number * image.width // 200, number % 3 * image.height // 60  # as a hand moves
        frames.append(image.crop((left, top, left + image.width * 15 // 16, top + image.height * 15 // 16)))
    gathered = Bursts()
    results = list(Scorer().score_many(frames, Details(uncertainty=True, bursts=True)))
    for result in results:
        gathered.add(result, result.look)
    places = gathered.places()
    gathered.close()
    rows = max(place.group for place in places.values())
    columns = max(place.size for place in places.values())
    size = (columns * (TILE[0] + GAP) - GAP, rows * (TILE[1] + GAP) - GAP)
    canvas = Image.new("RGBA", size, (0, 0, 0, 0))
    for frame, result, version in zip(frames, results, BURSTS, strict=True):
        place = places[result.path]
        lead = "" if place.lead is None else f"   +{place.lead:.1f}{'' if place.clear else ' (unclear)'}"
        corner = ((place.rank - 1) * (TILE[0] + GAP), (place.group - 1) * (TILE[1] + GAP))
        canvas.paste(tile(frame, f"{result.score:.1f}   {version.caption}{lead}"), corner)
    path = folder / "bursts.webp"
    canvas.save(path, quality=82)
    return path


def sizes(folder: Path, scorer: Callable[[Image.Image], float]) -> Path:
    """Write one photograph at several sizes as the model sees them, at one size, with their scores."""
    whole = render(Version("chelsea.png", ""))
    canvas = Image.new("RGBA", (len(WIDTHS) * (2 * TILE[0] + GAP) - GAP, 2 * TILE[1]), (0, 0, 0, 0))
    for place, width in enumerate(WIDTHS):
        image = whole.resize((width, round(whole.height * width / whole.width)), Image.Resampling.LANCZOS)
        shown = tile(image, f"{scorer(image):.0f}   {width} pixels wide", (2 * TILE[0], 2 * TILE[1]))
        canvas.paste(shown, (place * (2 * TILE[0] + GAP), 0))
    path = folder / "sizes.webp"
    canvas.save(path, quality=82)
    return path


def main() -> None:
    """Write every picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    scorer = Scorer()
    print(strip(FOLDER, scorer.score))
    print(bursts(FOLDER))
    print(sizes(FOLDER, scorer.score))


if __name__ == "__main__":
    main()
