"""A source of small generated results for every need, at the paper's scale or a small one."""

import zlib

import numpy as np
import pytest

from linearityiqa.errors import DataError
from linearityiqa.evaluation import Predictions
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import QualityScores
from linearityiqa.reproduce.item import PredictionsSet
from linearityiqa.reproduce.paper import Scale
from linearityiqa.run_folders import BhatLog, Curve

SMALL = Scale(training_set="train.csv", other_set="other.csv", base="resnet18", sweep="resnet18",
              backbones=("resnet18",), plain=("alexnet",), splits=3)  # fmt: skip


class GeneratedSource:
    """Numbers that depend on the need alone; what `lacks` admits is missing, what `curves` holds is given as it is."""

    def __init__(self, lacks=lambda need: False, curves=lambda need: None):
        self.lacks, self.curves = lacks, curves

    def _generator(self, need):
        if self.lacks(need):
            raise DataError(f"{need} is not here.")
        return np.random.default_rng(zlib.crc32(str(need).encode()))

    def curve(self, need):
        rng = self._generator(need)
        given = self.curves(need)
        if given is not None:
            return Curve(np.arange(1, len(given) + 1), np.asarray(given, dtype=np.float64))
        better = {"norm-in-norm": 0.3, "mse": 0.1, "mae": 0.0}[need.run.loss_type]
        values = np.minimum(0.2 * np.arange(1, 6) + better + rng.uniform(0, 0.05, 5), 0.99)
        return Curve(np.arange(1, 6), 10 * (1.5 - values) if need.metric == "RMSE" else values)

    def predictions(self, need):
        rng = self._generator(need)
        mos = rng.uniform(1, 100, 30)
        scores = QualityScores(*(mos / 50 + rng.normal(0, 0.2, 30) for _ in range(3)))
        predictions = Predictions(tuple(map(str, range(30))), mos, None, scores)
        return PredictionsSet(predictions, QualityScores(*(LinearMapping(50, 0.5) for _ in range(3))))

    def bhat(self, need):
        rng = self._generator(need)
        return BhatLog(QualityScores(*(rng.uniform(0, 5, 21) for _ in range(3))), 7)


@pytest.fixture
def source():
    return GeneratedSource()


@pytest.fixture
def make_source():
    return GeneratedSource


@pytest.fixture
def small():
    return SMALL
