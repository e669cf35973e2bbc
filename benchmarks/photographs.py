"""Generated JPEG files with the size and the density of photographs, for benchmarks that need many."""

import csv
import os
from pathlib import Path

import numpy as np
from PIL import Image

DISTINCT = 64
"""So many different pictures are made; further files are links to these, which cost a decoder the same."""
SIZE = (768, 1024)
"""(height, width) of KonIQ-10k's images."""


def make_database(folder: Path, train: int, val: int, test: int, *, size: tuple[int, int] = SIZE) -> Path:
    """A CSV database of generated photographs, made once.

    Returns:
        The CSV file, with image_name, mos and split.
    """
    labels = folder / f"labels-{train}-{val}-{test}.csv"
    total = train + val + test
    names = make_photographs(folder / "images", total, size=size)
    mos = np.random.default_rng(0).uniform(20, 80, total)
    splits = ["train"] * train + ["val"] * val + ["test"] * test
    if not labels.exists():
        with labels.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(("image_name", "mos", "split"))
            writer.writerows((name, f"{m:.3f}", split) for name, m, split in zip(names, mos, splits, strict=True))
    return labels


def make_photographs(folder: Path, count: int, *, size: tuple[int, int] = SIZE) -> list[str]:
    """`count` JPEG files of quality 90 in `folder`, those of an earlier call included; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:06d}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        path = folder / name
        if path.exists():
            continue
        if number < DISTINCT:
            picture(number, size).save(path, quality=90)
        else:
            os.link(folder / names[number % DISTINCT], path)
    return names


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    """Colour noise with the 1/f amplitude spectrum of natural scenes: about as many JPEG bytes as a photograph."""
    height, width = size
    rng = np.random.default_rng([20201012, seed])
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((3, height, width))) / frequency**1.4
    spectrum[:, 0, 0] = 0
    channels = np.fft.irfft2(spectrum, s=size)
    grey = channels[:1]
    mixed = 0.85 * grey / grey.std() + 0.3 * channels / channels.std()
    return Image.fromarray(np.clip(128 + 45 * mixed, 0, 255).astype(np.uint8).transpose(1, 2, 0))
