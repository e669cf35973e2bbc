"""Predictions that several modules test with."""

import numpy as np
import pytest

from linearityiqa.evaluation import Predictions
from linearityiqa.quality import QualityScores


@pytest.fixture
def some_predictions() -> Predictions:
    """Forty images whose heads follow the MOS with growing noise."""
    rng = np.random.default_rng(11)
    mos = rng.uniform(1, 100, 40)
    scores = (mos[None] / 20 + np.array([[0.9], [0.6], [0.3]]) * rng.standard_normal((3, 40))) - 2
    names = tuple(f"photo {i}, of 40.jpg" for i in range(40))
    return Predictions(names, mos, rng.uniform(2, 9, 40), QualityScores(*scores))
