"""Names of the files in a run folder, and of the columns of metrics.csv."""

CONFIG = "config.toml"
"""The whole configuration of the run."""
STATE = "last.pt"
"""The resumable state."""
MODEL = "model.safetensors"
"""The model of the best epoch."""
RESULTS = "results.json"
"""Figures of the best epoch's model; also of a test."""
PREDICTIONS = "predictions.csv"
"""What that model says of each image; also of a test."""
METRICS = "metrics.csv"
"""One row per epoch and split."""
TIMING = "timing.csv"
"""Seconds, images per second and memory of each epoch's phases."""
BHAT = "bhat.csv"
"""With --log_bhat: the norms b of each iteration."""
DIVERGED = "diverged.json"
"""Says of a run that it diverged, in which epoch and why, so that it is not trained again to find out."""
EVENTS = "events.out.tfevents.*"
"""Pattern of TensorBoard's files."""
LOCK = ".lock"
"""Locked by the process that trains in the folder, for as long as it does."""

LASTING = (STATE, MODEL, RESULTS, DIVERGED)
"""What is worth keeping of a run that has failed: without any of them, nothing of it is left."""

ALL = (CONFIG, STATE, MODEL, RESULTS, PREDICTIONS, METRICS, TIMING, BHAT, DIVERGED, EVENTS)
"""Everything that a run writes into its folder."""


def metrics_column(head: str, figure: str) -> str:
    """Return the column of metrics.csv for a figure of a head.

    >>> metrics_column("fused", "SROCC"), metrics_column("stage3", "SROCC")
    ('SROCC', 'SROCC_stage3')
    """
    return figure if head == "fused" else f"{figure}_{head}"
