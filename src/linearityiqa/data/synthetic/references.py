"""The pristine images: photographs that scikit-image carries, and dead-leaves scenes."""

import importlib.resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from linearityiqa.config import PHOTOGRAPHS, SyntheticConfig
from linearityiqa.data.databases.splits import SPLITS
from linearityiqa.data.synthetic import dead_leaves
from linearityiqa.data.synthetic.distortions import ByteImage
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.images import decode

PHOTOGRAPH_TURNS = 4
"""How many times as often as a scene a photograph is used: it is more like the images that the model will see."""

SCENE_MARGIN = 1.5
"""Height and width of a scene, in those of the images cut from it."""

SCENE_SHARES = (0.6, 0.8)
"""Share of the scenes in the training set, and in training and validation sets together."""


class Reference(NamedTuple):
    """A pristine image: a photograph, or a scene named `leaves000` and so on; with the split of all images of it."""

    name: str
    split: str
    number: int


def list_references(scenes: int) -> list[Reference]:
    """Return the photographs, each with its fixed split, then `scenes` dead-leaves scenes, 60/20/20."""
    photographs = [Reference(name, split, k) for k, (name, (_, split)) in enumerate(PHOTOGRAPHS.items())]
    bounds = [round(share * scenes) for share in SCENE_SHARES]
    return photographs + [
        Reference(f"leaves{k:03d}", SPLITS[int(np.searchsorted(bounds, k, side="right"))], len(photographs) + k)
        for k in range(scenes)
    ]


def turns(scenes: int, seed: int) -> list[int]:
    """Return the order in which references take their turns, by number; it is repeated to the last image.

    Every reference comes once before a photograph comes again, so that small databases have all references.
    """
    rng = np.random.default_rng([seed, 2])
    photographs = np.arange(len(PHOTOGRAPHS))
    everyone = rng.permutation(len(PHOTOGRAPHS) + scenes)
    return [*everyone.tolist(), *np.tile(photographs, PHOTOGRAPH_TURNS - 1).tolist()]


def load_reference(reference: Reference, config: SyntheticConfig) -> ByteImage:
    """Return a photograph in its native size, or a scene rendered from the seed."""
    if reference.name in PHOTOGRAPHS:
        return load_photograph(reference.name)
    rng = np.random.default_rng([config.seed, 0, reference.number])
    return dead_leaves.render(round(SCENE_MARGIN * config.height), round(SCENE_MARGIN * config.width), rng)


def load_photograph(name: str) -> ByteImage:
    """Return a photograph of `PHOTOGRAPHS` in its native size."""
    file_name, _ = PHOTOGRAPHS[name]
    try:
        return np.asarray(decode(photographs_folder() / file_name).image)
    except UnreadableImageError as cause:
        raise DataError(
            f"the installed scikit-image does not carry the photograph {file_name}: {cause} "
            "Run: pip install --force-reinstall 'scikit-image>=0.24'."
        ) from cause


def cut(reference: ByteImage, height: int, width: int, rng: np.random.Generator) -> ByteImage:
    """Return a random part of a reference, mirrored or not, shape (height, width, 3).

    The part is never smaller than the result: enlarging blurs, and a pristine image must be sharp. Its side is
    between half of the largest that fits and that.
    """
    largest = min(reference.shape[0] / height, reference.shape[1] / width)
    zoom = rng.uniform(max(1.0, largest / 2), largest)
    top = rng.uniform(0, reference.shape[0] - zoom * height)
    left = rng.uniform(0, reference.shape[1] - zoom * width)
    box = (left, top, left + zoom * width, top + zoom * height)
    part = Image.fromarray(reference).resize((width, height), Image.Resampling.LANCZOS, box=box)
    pixels = np.asarray(part)
    return np.ascontiguousarray(pixels[:, ::-1]) if rng.random() < 0.5 else pixels


def photographs_folder() -> Path:
    """Return the folder inside the wheel; skimage.data's own functions would download what is missing there."""
    return Path(str(importlib.resources.files("skimage"))) / "data"
