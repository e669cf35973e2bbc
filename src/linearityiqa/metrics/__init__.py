"""Agreement of predictions with mean opinion scores. Needs the extra `metrics`, and no torch."""

from linearityiqa.config import MappingName
from linearityiqa.metrics.agreement import (
    CONFIDENCE,
    RESAMPLES,
    Agreement,
    GroupAgreement,
    MappedAgreement,
    agreement,
    agreement_by_group,
    label_ranges,
)
from linearityiqa.metrics.comparison import (
    LEVEL,
    Difference,
    MethodComparison,
    PairComparison,
    compare,
    is_better,
    is_error,
)
from linearityiqa.metrics.correlation import krocc, mae, outlier_ratio, plcc, rmse, srocc
from linearityiqa.metrics.mappings import MAPPINGS, FittedMapping, fit_mapping
from linearityiqa.metrics.pairs import PairAnalysis, analyse_pairs
from linearityiqa.metrics.resampling import Interval
from linearityiqa.metrics.significance import (
    DependentTest,
    SplitComparison,
    Spread,
    compare_over_splits,
    holm,
    mean_interval,
    meng_rosenthal_rubin,
    spread,
    steiger,
    williams,
)

__all__ = [
    "CONFIDENCE",
    "LEVEL",
    "MAPPINGS",
    "RESAMPLES",
    "Agreement",
    "DependentTest",
    "Difference",
    "FittedMapping",
    "GroupAgreement",
    "Interval",
    "MappedAgreement",
    "MappingName",
    "MethodComparison",
    "PairAnalysis",
    "PairComparison",
    "SplitComparison",
    "Spread",
    "agreement",
    "agreement_by_group",
    "analyse_pairs",
    "compare",
    "compare_over_splits",
    "fit_mapping",
    "holm",
    "is_better",
    "is_error",
    "krocc",
    "label_ranges",
    "mae",
    "mean_interval",
    "meng_rosenthal_rubin",
    "outlier_ratio",
    "plcc",
    "rmse",
    "spread",
    "srocc",
    "steiger",
    "williams",
]
