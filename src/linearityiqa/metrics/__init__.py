"""Agreement of predictions with mean opinion scores. Needs the extra `metrics`, and no torch."""

from linearityiqa.metrics.agreement import CONFIDENCE, RESAMPLES, Agreement, MappedAgreement, agreement
from linearityiqa.metrics.correlation import krocc, mae, outlier_ratio, plcc, rmse, srocc
from linearityiqa.metrics.mappings import MAPPINGS, FittedMapping, MappingName, fit_mapping
from linearityiqa.metrics.resampling import Interval

__all__ = [
    "CONFIDENCE",
    "MAPPINGS",
    "RESAMPLES",
    "Agreement",
    "FittedMapping",
    "Interval",
    "MappedAgreement",
    "MappingName",
    "agreement",
    "fit_mapping",
    "krocc",
    "mae",
    "outlier_ratio",
    "plcc",
    "rmse",
    "srocc",
]
