"""Small generated copies of the databases in their published layouts, for tests: ``from layouts import make_koniq``.

Each image's noise falls with its MOS, so that a network can learn something from them.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray
from PIL import Image

SIZE = (48, 64)
"""Height and width of the generated images, unless a test asks for others."""


def make_photo(path: Path, noise: float, seed: int, size: tuple[int, int] = SIZE) -> None:
    """Write a gradient with a share of noise in 0..1; the suffix of the file is its format."""
    rng = np.random.default_rng(seed)
    base = np.linspace(0, 200, size[1])[None, :, None] + rng.uniform(0, 40, (1, 1, 3))
    pixels = np.clip(base + 80 * noise * rng.standard_normal((*size, 3)), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def make_photos(
    folder: Path, names: Sequence[str], size: tuple[int, int] = SIZE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Write an image for each name; return their MOS (in 10..90) and standard deviations."""
    noise = np.random.default_rng(len(names)).permutation(len(names)) / len(names)
    for seed, name in enumerate(names):
        make_photo(folder / name, noise[seed], seed, size)
    return 90 - 80 * noise, 5 + noise


def make_koniq(folder: Path, count: int = 20, *, inner: str = "KonIQ-10k", size: tuple[int, int] = SIZE) -> Path:
    """Write KonIQ-10k as in a working folder: `inner`/*.jpg and data/koniq10k_distributions_sets.csv, returned.

    Of every 10 images 6 are for training, 2 for validation, 2 for testing, shuffled.
    """
    names = [f"{10000000 + 37 * i}.jpg" for i in range(count)]
    mos, _ = make_photos(folder / inner, names, size)
    sets = np.array([("training", "validation", "test")[max(0, i * 10 // count - 4) // 2] for i in range(count)])
    sets = np.random.default_rng(count).permutation(sets)
    labels = folder / "data" / "koniq10k_distributions_sets.csv"
    labels.parent.mkdir(parents=True, exist_ok=True)
    with labels.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image_name", "c1", "c2", "c3", "c4", "c5", "c_total", "MOS", "SD", "set"])
        for name, score, part in zip(names, mos, sets, strict=True):
            writer.writerow([name, 0.0, 0.25, 0.5, 0.25, 0.0, 100, f"{score:.6f}", 0.5, part])
    return labels


def make_clive(folder: Path, count: int = 20, *, size: tuple[int, int] = SIZE) -> Path:
    """Write the official release of CLIVE: Images/ and Data/; return ``Data/AllMOS_release.mat``.

    The 7 training examples of Images/trainingImages/ are not counted; they come first in the labels.
    """
    examples = [f"t{i}.bmp" for i in range(1, 8)]
    names = [f"{i}.bmp" for i in range(1, count + 1)]
    make_photos(folder / "Images" / "trainingImages", examples, size)
    mos, std = make_photos(folder / "Images", names, size)
    mos, std = np.concatenate([np.full(7, 50.0), mos]), np.concatenate([np.full(7, 10.0), std])
    cells = np.empty((count + 7, 1), dtype=object)
    cells[:, 0] = [np.array([name]) for name in examples + names]
    data = folder / "Data"
    data.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(data / "AllImages_release.mat", {"AllImages_release": cells}, do_compression=True)
    scipy.io.savemat(data / "AllMOS_release.mat", {"AllMOS_release": mos[None]}, do_compression=True)
    scipy.io.savemat(data / "AllStdDev_release.mat", {"AllStdDev_release": std[None]}, do_compression=True)
    return data / "AllMOS_release.mat"


def make_authors_layout(folder: Path, database: str, count: int = 20, *, size: tuple[int, int] = SIZE) -> Path:
    """Write KonIQ-10k or CLIVE as the LinearityIQA authors use it: `database`/*, and data/`database`info.mat, returned.

    The split of KonIQ-10k needs 30 images for 2 in each part.
    """
    names = [f"{i}.{'bmp' if database == 'CLIVE' else 'jpg'}" for i in range(1, count + 1)]
    mos, _ = make_photos(folder / database, names, size)
    return make_infomat(folder / "data" / f"{database}info.mat", names, mos, np.full(count, 0.5))


def make_infomat(
    path: Path,
    names: Sequence[str],
    mos: NDArray[np.float64],
    mos_std: NDArray[np.float64],
    *,
    ref_ids: NDArray[np.float64] | None = None,
    splits: int = 5,
    seed: int = 0,
) -> Path:
    """Write the label file of the LinearityIQA authors, as MATLAB 7.3 does; by default each image is a reference."""
    count = len(names)
    ref_ids = np.arange(1.0, count + 1) if ref_ids is None else ref_ids
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        texts = file.create_group("#refs#")
        references = file.create_dataset("im_names", (1, count), dtype=h5py.ref_dtype)
        for i, name in enumerate(names):
            units = np.frombuffer(name.encode("utf-16-le"), dtype="<u2")
            references[0, i] = texts.create_dataset(f"name{i}", data=units[:, None]).ref
        file["subjective_scores"] = mos[None]
        file["subjective_scoresSTD"] = mos_std[None]
        file["ref_ids"] = ref_ids[None]
        index = np.stack([rng.permutation(np.unique(ref_ids)) for _ in range(splits)], axis=1)
        file.create_dataset("index", data=index, compression="gzip")
    return path
