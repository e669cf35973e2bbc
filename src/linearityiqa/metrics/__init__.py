"""Agreement of predictions with mean opinion scores. Needs the extra `metrics`, and no torch."""

from linearityiqa.metrics.agreement import Agreement, agreement
from linearityiqa.metrics.correlation import krocc, outlier_ratio, plcc, rmse, srocc

__all__ = ["Agreement", "agreement", "krocc", "outlier_ratio", "plcc", "rmse", "srocc"]
