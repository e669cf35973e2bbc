"""Options of judging predictions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from linearityiqa.config.checks import require_choice, require_options

MappingName = Literal["linear", "logistic4", "logistic5"]
"""Mappings from predictions to MOS."""
FigureName = Literal[
    "SROCC", "PLCC", "KROCC", "RMSE", "MAE", "outlier_ratio",
    "PLCC_linear", "RMSE_linear", "PLCC_logistic4", "RMSE_logistic4", "PLCC_logistic5", "RMSE_logistic5",
]  # fmt: skip
"""Figures of agreement."""


@dataclass(frozen=True, kw_only=True)
class MetricsConfig:
    """Which predictions are judged, and how closely."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Predictions of one method each, as FILE or NAME=FILE: CSV files with image_name, prediction and mos, optionally
    mos_std, ratings (the number of ratings behind each MOS) and any other column; the authors' .npy files; or, with
    LABELS, what linearityiqa score has written. Several are compared."""
    labels: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Take the opinions from this label file or known database. The files then need an image (path or image_name) and
    a score (score or prediction): CSV, .jsonl or Parquet. A path is the image whose name it ends in."""
    by: str | None = None
    """Also judge each group of images that share a value of this column."""
    label_ranges: int | None = None
    """Also judge this many ranges of MOS, of equally many images each."""
    figure: FigureName = "SROCC"
    """Figure that the verdicts are about."""
    mapping: MappingName = "logistic4"
    """Mapping, fitted to all images, after which errors within groups and pairs of images are looked at."""
    ratings: float | None = None
    """Number of ratings behind every MOS, where the files have no column of that name. With it and mos_std, pairs of
    images are judged: which differ, which image is better, how fine a difference is resolved."""
    mos_std_scale: float = 1.0
    """Multiply mos_std by this to bring it to the scale of the MOS (27.82 for the authors' KonIQ-10k files)."""
    resamples: int = 2000
    """Bootstrap resamples of the intervals; 0 for no intervals (and then no comparison)."""
    confidence: float = 0.95
    """Coverage of the intervals."""
    seed: int = 0
    """Seed of the resamples."""
    output: Path | None = None
    """Folder for metrics.json, the tables as CSV, and report.html: figures, tables and the worst images on one page."""
    image_dir: Path | None = None
    """Folder of the images, for the pictures of the worst ones in report.html."""
    json: bool = False
    """Print everything as JSON."""

    def __post_init__(self) -> None:
        require_choice("figure", self.figure, get_args(FigureName))
        require_choice("mapping", self.mapping, get_args(MappingName))
        require_options(
            (self.resamples == 0 or 100 <= self.resamples <= 1_000_000, "resamples must be 0 or lie in 100..1000000"),
            (0 < self.confidence < 1, f"confidence must be between 0 and 1, got {self.confidence}"),
            (self.seed >= 0, f"seed must be >= 0, got {self.seed}"),
            (self.label_ranges is None or 2 <= self.label_ranges <= 100, "label_ranges must lie in 2..100"),
            (self.ratings is None or self.ratings >= 1, f"ratings must be >= 1, got {self.ratings}"),
            (self.mos_std_scale > 0, f"mos_std_scale must be > 0, got {self.mos_std_scale}"),
        )
