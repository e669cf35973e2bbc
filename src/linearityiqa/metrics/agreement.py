"""Agreement of predictions with mean opinion scores (MOS): every figure of one method, on all images and by group."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from linearityiqa.config import MappingName
from linearityiqa.errors import ConfigError, DataError
from linearityiqa.metrics.correlation import checked, krocc, mae, outlier_ratio, plcc, rmse, srocc
from linearityiqa.metrics.mappings import FittedMapping, fit_mapping
from linearityiqa.metrics.resampling import (
    MIN_IMAGES,
    FloatArray,
    Interval,
    MomentStatistics,
    RankStatistics,
    Replicates,
    check_resampling,
    replicate,
)
from linearityiqa.quality import FIGURES, known_deviations

RESAMPLES = 2000
"""Default number of resamples of an interval."""
CONFIDENCE = 0.95
"""Default coverage of an interval."""


@dataclass(frozen=True, kw_only=True)
class MappedAgreement:
    """Agreement after a mapping that was fitted to the same images.

    Attributes:
        mapping: the mapping.
        plcc: Pearson linear correlation of the mapped predictions; nan where the MOS are constant.
        rmse: root mean square error, in units of the MOS, divided by n, not by the degrees of freedom that are left.
        mae: mean absolute error.
        outlier_ratio: as in `Agreement`.
    """

    mapping: FittedMapping
    plcc: float
    rmse: float
    mae: float
    outlier_ratio: float | None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of predictions with MOS.

    Attributes:
        n: number of images.
        srocc: Spearman rank-order correlation; nan where predictions or MOS are constant, as for the next two.
        plcc: Pearson linear correlation.
        krocc: Kendall rank-order correlation (tau-b).
        rmse: root mean square error, in units of the MOS.
        mae: mean absolute error, in units of the MOS.
        outlier_ratio: share of predictions farther than two standard deviations from the MOS, or None where the
            standard deviations are not known.
        mapped: agreement after each mapping that was asked for and that could be fitted.
        intervals: interval of each figure by its name in `figures`, None where there is none; empty where no intervals
            were asked for.
        notes: remarks on the figures, a sentence each.
    """

    n: int
    srocc: float
    plcc: float
    krocc: float
    rmse: float
    mae: float
    outlier_ratio: float | None = None
    mapped: Mapping[MappingName, MappedAgreement] = field(default_factory=dict)
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, float | None]:
        """Return the figures of results.json and the paper's tables; None where there is no finite value."""
        figures = self.figures()
        return {name: figures[name] for name in (*FIGURES, "outlier_ratio")}

    def figures(self) -> dict[str, float | None]:
        """Return every figure by name, e.g. SROCC, PLCC_logistic4; None where there is no finite value."""
        figures: dict[str, float | None] = {
            "SROCC": self.srocc,
            "PLCC": self.plcc,
            "KROCC": self.krocc,
            "RMSE": self.rmse,
            "MAE": self.mae,
            "outlier_ratio": self.outlier_ratio,
        }
        for name, after in self.mapped.items():
            figures |= {f"PLCC_{name}": after.plcc, f"RMSE_{name}": after.rmse}
        return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}


def agreement(
    predictions: ArrayLike,
    mos: ArrayLike,
    std: ArrayLike | None = None,
    *,
    mappings: Sequence[MappingName] = (),
    resamples: int = 0,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Agreement:
    """Compute every figure of agreement between predictions and MOS.

    Args:
        predictions: predicted quality, shape (N,); for RMSE, MAE and outlier ratio on the scale of `mos`.
        mos: subjective scores, shape (N,).
        std: standard deviation of each image's ratings, on the scale of `mos`, shape (N,); without it, or
            where all are 0 and so not known, there is no outlier ratio.
        mappings: after which mappings the agreement is also wanted (`MAPPINGS` are all).
        resamples: of the intervals (bootstrap over the images, bias-corrected and accelerated); 0 for no intervals.
        confidence: coverage of the intervals.
        seed: of the resamples.

    Raises:
        DataError: fewer than 2 values, unequal lengths, or a value that is not finite.
        ConfigError: fewer than 100 resamples, or a confidence that is not between 0 and 1.
        MissingExtraError: SciPy is not installed.

    >>> result = agreement([12.0, 20.0, 31.0], [10.0, 20.0, 30.0])
    >>> result.srocc == 1 and result.outlier_ratio is None
    True
    """
    check_resampling(resamples, confidence)
    sample = Sample.of(predictions, mos, std, mappings)
    if not resamples:
        return sample.agreement
    return with_intervals(sample.agreement, replicate_samples([sample], resamples, seed)[0], confidence)


@dataclass(frozen=True, eq=False)
class Sample:
    """Predictions of one method, checked, and their agreement with the MOS, without intervals."""

    predictions: FloatArray
    mos: FloatArray
    std: FloatArray | None
    agreement: Agreement

    @classmethod
    def of(
        cls, predictions: ArrayLike, mos: ArrayLike, std: ArrayLike | None, mappings: Sequence[MappingName] = ()
    ) -> "Sample":
        """Check the values, fit the mappings, and compute every figure."""
        x, y, *rest = checked(predictions=predictions, mos=mos, **({} if std is None else {"std": std}))
        known = known_deviations(rest[0] if rest else None)
        fits = {name: fit_mapping(name, x, y) for name in mappings}
        mapped = {name: MappedAgreement(mapping=fit, **_figures(fit(x), y, known)) for name, fit in fits.items() if fit}
        found = Agreement(
            n=len(x),
            srocc=srocc(x, y),
            krocc=krocc(x, y),
            **_figures(x, y, known),
            mapped=mapped,
            notes=_notes(x, y, fits),
        )
        return cls(x, y, known, found)


def _figures(x: FloatArray, y: FloatArray, std: FloatArray | None) -> dict[str, Any]:
    """Return the figures that a mapping changes."""
    ratio = None if std is None else outlier_ratio(x, y, std)
    return {"plcc": plcc(x, y), "rmse": rmse(x, y), "mae": mae(x, y), "outlier_ratio": ratio}


def replicate_samples(samples: Sequence[Sample], resamples: int, seed: int) -> list[dict[str, Replicates]]:
    """Evaluate each sample on the same resamples of the images, by figure; empty for fewer than 4 images."""
    n = samples[0].agreement.n
    if n < MIN_IMAGES:
        return [{} for _ in samples]
    methods = []
    for sample in samples:
        x, y, figures = sample.predictions, sample.mos, sample.agreement.figures()
        fitted = [after.mapping for after in sample.agreement.mapped.values()]
        statistics = RankStatistics(x, y), MomentStatistics(x, y, sample.std, fitted)
        methods.append((statistics, {name: math.nan if value is None else value for name, value in figures.items()}))
    return replicate(methods, n, resamples, seed)


def with_intervals(found: Agreement, replicates: Mapping[str, Replicates], confidence: float) -> Agreement:
    """Return a copy of an agreement with the interval of every figure."""
    intervals = {
        name: replicates[name].interval(confidence) if name in replicates else None for name in found.figures()
    }
    notes = found.notes
    if not replicates:
        notes = (*notes, f"no intervals for {found.n} images: they need at least {MIN_IMAGES}.")
    return dataclasses.replace(found, intervals=intervals, notes=notes)


def _notes(x: FloatArray, y: FloatArray, fits: Mapping[MappingName, FittedMapping | None]) -> tuple[str, ...]:
    notes = []
    for values, what in ((x, "predictions"), (y, "MOS")):
        if np.ptp(values) == 0:
            notes.append(f"the {what} are constant: there is no correlation.")
    for name, fit in fits.items():
        if fit is None:
            notes.append(
                f"no {name} mapping for {len(np.unique(x))} distinct predictions: any MOS would be fitted exactly."
            )
        elif not fit.converged:
            notes.append(f"the {name} mapping has not converged: its figures may be slightly worse than its best ones.")
        elif fit.constrained:
            notes.append(f"the {name} mapping that fits best turns within the data: its best monotonic case is used.")
    return tuple(notes)


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
