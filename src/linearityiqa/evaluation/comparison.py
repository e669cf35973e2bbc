"""Agreement of one or several methods with the MOS, by group too, and their comparison."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import MetricsConfig
from linearityiqa.evaluation.methods import Methods
from linearityiqa.metrics import (
    MAPPINGS,
    Agreement,
    GroupAgreement,
    MethodComparison,
    PairAnalysis,
    agreement,
    agreement_by_group,
    analyse_pairs,
    compare,
    label_ranges,
)

MOS_RANGES = "MOS"
"""Name of the grouping by ranges of the labels."""
GroupsByMethod = Mapping[str, tuple[GroupAgreement, ...]]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Agreement of one or several methods with the MOS, and what differs between them."""

    agreements: Mapping[str, Agreement]
    comparison: MethodComparison | None
    """Of every pair of methods; None for a single method or without resamples."""
    groups: Mapping[str, GroupsByMethod]
    """By what the images are grouped, e.g. "distortion" or "MOS"."""
    pairs: Mapping[str, PairAnalysis]
    """Empty where ratings or their standard deviations are not known."""
    notes: tuple[str, ...]

    def renamed(self, names: Mapping[str, str]) -> "Comparison":
        """Return a copy with other names of the methods."""
        comparison = self.comparison and dataclasses.replace(
            self.comparison,
            names=tuple(names[name] for name in self.comparison.names),
            agreements={names[name]: one for name, one in self.comparison.agreements.items()},
            pairs=tuple(
                dataclasses.replace(pair, first=names[pair.first], second=names[pair.second])
                for pair in self.comparison.pairs
            ),
        )
        return dataclasses.replace(
            self,
            agreements={names[name]: one for name, one in self.agreements.items()},
            comparison=comparison,
            groups={by: {names[name]: one for name, one in methods.items()} for by, methods in self.groups.items()},
            pairs={names[name]: one for name, one in self.pairs.items()},
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; None where there is no finite value."""
        comparison = self.comparison
        return {
            "methods": {name: _agreement_dict(found) for name, found in self.agreements.items()},
            "comparison": None
            if comparison is None
            else {
                "resamples": comparison.resamples,
                "pairs": [dataclasses.asdict(pair) for pair in comparison.pairs],
            },
            "groups": {
                by: {name: [_group_dict(one) for one in groups] for name, groups in methods.items()}
                for by, methods in self.groups.items()
            },
            "pairs": {name: dataclasses.asdict(one) for name, one in self.pairs.items()},
            "notes": list(self.notes),
        }


def compare_methods(methods: Methods, config: MetricsConfig) -> Comparison:
    """Compute the agreement of methods with the same MOS, and compare them."""
    resampling: dict[str, Any] = {
        "resamples": config.resamples, "confidence": config.confidence, "seed": config.seed,
    }  # fmt: skip
    values = methods.predictions
    comparison = None
    if len(values) > 1 and config.resamples:
        comparison = compare(values, methods.mos, methods.mos_std, **resampling)
        agreements = comparison.agreements
    else:
        agreements = {
            name: agreement(own, methods.mos, methods.mos_std, mappings=MAPPINGS, **resampling)
            for name, own in values.items()
        }
    notes = [*methods.notes, *(comparison.notes if comparison else ())]
    notes += [f"{name}: {note}" for name, found in agreements.items() for note in found.notes]
    return Comparison(
        agreements=agreements,
        comparison=comparison,
        groups={
            by: {name: _by_group(own, by, labels, methods, config) for name, own in values.items()}
            for by, labels in _groupings(methods, config).items()
        },
        pairs=_pairs(methods, agreements, config),
        notes=tuple(notes),
    )


def _groupings(methods: Methods, config: MetricsConfig) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if methods.groups is not None and config.by is not None:
        found[config.by] = list(methods.groups)
    if config.label_ranges is not None:
        found[MOS_RANGES] = label_ranges(methods.mos, config.label_ranges)
    return found


def _by_group(
    values: NDArray[np.float64], by: str, labels: list[str], methods: Methods, config: MetricsConfig
) -> tuple[GroupAgreement, ...]:
    found = agreement_by_group(
        values,
        methods.mos,
        labels,
        methods.mos_std,
        mapping=config.mapping,
        resamples=config.resamples,
        confidence=config.confidence,
        seed=config.seed,
    )
    return tuple(sorted(found, key=lambda one: one.mos if by == MOS_RANGES else one.group))


def _pairs(methods: Methods, agreements: Mapping[str, Agreement], config: MetricsConfig) -> dict[str, PairAnalysis]:
    ratings = config.ratings if methods.ratings is None else methods.ratings
    if ratings is None or methods.mos_std is None:
        return {}
    found = {}
    for name, values in methods.predictions.items():
        after = agreements[name].mapped.get(config.mapping)
        mapped = values if after is None else after.mapping(values)
        found[name] = analyse_pairs(mapped, methods.mos, methods.mos_std, ratings, seed=config.seed)
    return found


def _agreement_dict(found: Agreement) -> dict[str, Any]:
    return {
        "n": found.n,
        "figures": found.figures(),
        "intervals": {name: None if one is None else [one.low, one.high] for name, one in found.intervals.items()},
        "mappings": {
            name: {
                "parameters": list(after.mapping.parameters),
                "converged": after.mapping.converged,
                "constrained": after.mapping.constrained,
                "held": sorted(after.mapping.held),
                "MAE": after.mae,
                "outlier_ratio": after.outlier_ratio,
            }
            for name, after in found.mapped.items()
        },
        "notes": list(found.notes),
    }


def _group_dict(one: GroupAgreement) -> dict[str, Any]:
    inside = None if one.agreement is None else _agreement_dict(one.agreement)
    return {"group": one.group, "n": one.n, "mos": one.mos, "bias": one.bias, "agreement": inside}
