"""Training: a plain loop whose every stop can be resumed bit for bit."""

from linearityiqa.extras import require

require("torch", "train")

from linearityiqa.training.distributed import World  # noqa: E402 - after the check for torch
from linearityiqa.training.run import RunResult, train  # noqa: E402

__all__ = ["RunResult", "World", "train"]
