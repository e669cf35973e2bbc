"""Networks with weights that are the same on any machine."""

from collections.abc import Callable

import pytest

import formula
from linearityiqa.config import ModelConfig, TrainConfig
from linearityiqa.mapping import LinearMapping
from linearityiqa.models import LinearityIQA
from linearityiqa.quality import QualityScale, QualityScores
from linearityiqa.record import ModelRecord


@pytest.fixture(scope="session")
def formula_network() -> Callable[..., LinearityIQA]:
    """Makes a network of the given options, with the formula's weights, in evaluation mode."""
    return formula.formula_network


@pytest.fixture
def record() -> Callable[..., ModelRecord]:
    """Makes the record of a model of the given options."""

    def make(**options: object) -> ModelRecord:
        lines = QualityScores(LinearMapping(1.5, 2.0), LinearMapping(-3.0, 0.1), LinearMapping(10.0, 50.0))
        return ModelRecord(
            config=TrainConfig(model=ModelConfig(**{"architecture": "alexnet", **options})),
            mapping=lines,
            scale=QualityScale(low=1, high=100),
            database="KonIQ-10k",
            epoch=3,
            figures={"val SROCC": 0.9},
        )

    return make
