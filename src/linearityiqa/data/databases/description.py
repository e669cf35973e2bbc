"""Statistics of a database: distributions of its scores, their deviations and the sizes of its images."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import StatsConfig
from linearityiqa.console import track
from linearityiqa.data.databases.imagefiles import find_images
from linearityiqa.data.databases.opening import open_labels
from linearityiqa.images import image_size

SIZES = 10
"""Most image sizes that are listed."""


@dataclass(frozen=True)
class Distribution:
    """Distribution of a quantity over all images, and over those of each split: histogram and figures.

    `edges` has one value more than there are bins; `counts` and `figures` are by split, ``"all"`` first.
    """

    quantity: str
    edges: tuple[float, ...]
    counts: Mapping[str, tuple[int, ...]]
    figures: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Description:
    """Statistics of a database.

    The distributions are of MOS, of its deviation where known, and of megapixels where the images were read; `sizes`
    has the number of images of each of the most frequent sizes ("width x height"), and `splits` of each split.
    """

    name: str
    labels: Path
    scale: str
    images: int
    references: int | None
    splits: Mapping[str, int]
    distributions: tuple[Distribution, ...]
    sizes: Mapping[str, int]
    other_sizes: int

    def as_dict(self) -> dict[str, Any]:
        """Return the description for JSON."""
        return {**asdict(self), "labels": str(self.labels)}


def describe_database(config: StatsConfig) -> Description:
    """Compute the statistics of a database from its labels and, if asked for, the headers of its images."""
    source = open_labels(config.data)
    labels = source.labels
    parts = {"all": np.arange(len(labels.names)), **(labels.splits or {})}
    quantities = {"MOS": labels.mos}
    if labels.mos_std is not None:
        quantities["standard deviation of MOS"] = labels.mos_std
    sizes: list[tuple[int, int]] = []
    if config.images:
        root, names = find_images(labels, source.folders, source.remedy)
        paths = track([root / name for name in names], "reading sizes", enabled=not config.quiet)
        sizes = [image_size(path) for path in paths]
        quantities["megapixels"] = np.array([height * width / 1e6 for height, width in sizes])
    counted = Counter(f"{width} x {height}" for height, width in sizes).most_common()
    return Description(
        name=source.name,
        labels=labels.file,
        scale=str(labels.scale),
        images=len(labels.names),
        references=None if labels.references is None else len(set(labels.references)),
        splits={} if labels.splits is None else {name: len(rows) for name, rows in labels.splits.items()},
        distributions=tuple(_distribution(name, values, parts, config.bins) for name, values in quantities.items()),
        sizes=dict(counted[:SIZES]),
        other_sizes=sum(count for _, count in counted[SIZES:]),
    )


def _distribution(
    quantity: str, values: NDArray[np.float64], parts: Mapping[str, NDArray[np.int64]], bins: int
) -> Distribution:
    constant = values.min() == values.max()
    # numpy would widen a single value by a half on both sides, and invent images of less than no pixels
    edges = np.full(2, values[0]) if constant else np.histogram_bin_edges(values, bins)
    counts = {
        name: [len(rows)] if constant else np.histogram(values[rows], edges)[0].tolist() for name, rows in parts.items()
    }
    return Distribution(
        quantity=quantity,
        edges=tuple(edges.tolist()),
        counts={name: tuple(each) for name, each in counts.items()},
        figures={name: _figures(values[rows]) for name, rows in parts.items() if len(rows)},
    )


def _figures(values: NDArray[np.float64]) -> dict[str, float]:
    names = ("lowest", "lower_quartile", "median", "upper_quartile", "highest")
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    five = np.quantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist()
    return {"n": len(values), "mean": float(values.mean()), "std": spread, **dict(zip(names, five, strict=True))}
