"""Agreement within groups of images: by range of the MOS, by distortion, by any label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from linearityiqa.config import MappingName
from linearityiqa.errors import ConfigError, DataError
from linearityiqa.metrics.agreement import CONFIDENCE, Agreement, agreement
from linearityiqa.metrics.correlation import checked
from linearityiqa.metrics.mappings import fit_mapping


@dataclass(frozen=True, kw_only=True)
class GroupAgreement:
    """One group.

    Attributes:
        group: its name.
        n: number of images.
        mos: their mean MOS.
        agreement: within the group, of predictions mapped by the mapping of all images (as they are without one); None
            for a single image.
        bias: mean of mapped prediction minus MOS: positive where the method flatters the group.
    """

    group: str
    n: int
    mos: float
    agreement: Agreement | None
    bias: float


def agreement_by_group(
    predictions: ArrayLike,
    mos: ArrayLike,
    groups: Sequence[str],
    std: ArrayLike | None = None,
    *,
    mapping: MappingName | None = None,
    resamples: int = 0,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> tuple[GroupAgreement, ...]:
    """Compute the agreement within each group.

    The mapping is fitted to all images, not to each group: otherwise a method that misjudges a whole group would look
    right in it. Correlations within a narrow range of MOS are lower than those over a wide one, whatever the method.

    Args:
        predictions: shape (N,).
        mos: shape (N,).
        groups: name of each image's group.
        std: standard deviation of each image's ratings, on the scale of `mos`.
        mapping: that errors are measured after; None for predictions as they are.
        resamples: of the intervals; 0 for none.
        confidence: coverage of the intervals.
        seed: of the resamples.

    Returns:
        The groups in the order in which they first appear.

    Raises:
        DataError: fewer than 2 values, unequal lengths, or a value that is not finite.
        ConfigError: fewer than 100 resamples, or a confidence that is not between 0 and 1.
        MissingExtraError: SciPy is not installed.
    """
    x, y, *rest = checked(predictions=predictions, mos=mos, **({} if std is None else {"std": std}))
    if len(groups) != len(x):
        raise DataError(f"groups must be as long as predictions: got {len(groups)} and {len(x)}")
    fitted = None if mapping is None else fit_mapping(mapping, x, y)
    mapped = x if fitted is None else fitted(x)
    names = np.asarray(groups, dtype=object)
    found = []
    for group in dict.fromkeys(groups):
        own = np.flatnonzero(names == group)
        inside = None
        if len(own) > 1:
            deviations = rest[0][own] if rest else None
            inside = agreement(mapped[own], y[own], deviations, resamples=resamples, confidence=confidence, seed=seed)
        bias = float(np.mean(mapped[own] - y[own]))
        found.append(GroupAgreement(group=group, n=len(own), mos=float(y[own].mean()), agreement=inside, bias=bias))
    return tuple(found)


def label_ranges(mos: ArrayLike, ranges: int) -> list[str]:
    """Name each image's range, of ranges that hold equally many images (but for ties), from the lowest MOS on.

    Args:
        mos: shape (N,).
        ranges: how many.

    Raises:
        DataError: fewer than 2 values, or a value that is not finite.
        ConfigError: fewer than 2 ranges.

    >>> label_ranges([1.0, 2.0, 3.0, 4.0], 2)
    ['1 to 2', '1 to 2', '3 to 4', '3 to 4']
    """
    (y,) = checked(mos=mos)
    if ranges < 2:
        raise ConfigError(f"label_ranges must be at least 2, got {ranges}")
    limits = np.quantile(y, np.arange(1, ranges) / ranges)
    places = np.searchsorted(limits, y, side="left")
    names = {place: f"{y[places == place].min():.4g} to {y[places == place].max():.4g}" for place in set(places)}
    return [names[place] for place in places]
