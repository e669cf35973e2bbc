"""Oracles: SciPy on hand-mapped scores, and the lines that the paper's tool prints."""

import numpy as np
import pytest
import scipy.stats

from linearityiqa.errors import DataError
from linearityiqa.evaluation import Evaluation, Predictions, evaluate, paper_lines
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import Agreement
from linearityiqa.quality import HEADS, QualityScores


def test_figures_of_each_head_are_of_mapped_scores(some_predictions):
    mapping = QualityScores(LinearMapping(20, 40), LinearMapping(18, 42), LinearMapping(-3, 9))
    result = evaluate(some_predictions, mapping)
    for head in HEADS:
        line, raw = getattr(mapping, head), getattr(some_predictions.scores, head)
        mapped = line.slope * raw + line.intercept
        figures = getattr(result.agreement, head)
        assert figures.srocc == pytest.approx(scipy.stats.spearmanr(mapped, some_predictions.mos).statistic)
        assert figures.plcc == pytest.approx(scipy.stats.pearsonr(mapped, some_predictions.mos).statistic)
        assert figures.rmse == pytest.approx(np.sqrt(np.mean((mapped - some_predictions.mos) ** 2)))
        outliers = np.abs(mapped - some_predictions.mos) > 2 * some_predictions.mos_std
        assert figures.outlier_ratio == pytest.approx(outliers.mean())
    assert result.agreement.fused.srocc < 0, "a falling line turns the order round"


def test_nine_lines_in_the_order_of_the_paper():
    def figures(head: int) -> Agreement:
        return Agreement(n=2, srocc=0.9 + head / 1000, plcc=0.8 + head / 1000, krocc=0.1, rmse=5 + head / 1000, mae=4.0)

    result = Evaluation(n=2, agreement=QualityScores(stage3=figures(1), stage4=figures(2), fused=figures(0)))
    assert paper_lines(result.as_dict(), "KonIQ-10k") == [
        "KonIQ-10k, SROCC: 0.900",
        "KonIQ-10k, PLCC: 0.800",
        "KonIQ-10k, RMSE: 5.000",
        "KonIQ-10k, SROCC1: 0.901",
        "KonIQ-10k, PLCC1: 0.801",
        "KonIQ-10k, RMSE1: 5.001",
        "KonIQ-10k, SROCC2: 0.902",
        "KonIQ-10k, PLCC2: 0.802",
        "KonIQ-10k, RMSE2: 5.002",
    ]


def test_constant_scores_print_as_nan():
    same = Predictions(("a", "b"), np.array([1.0, 3.0]), None, QualityScores(*np.ones((3, 2))))
    lines = paper_lines(evaluate(same, same.fit_mapping()).as_dict(), "any.csv")
    assert lines[0] == "any.csv, SROCC: nan"
    assert lines[2] == "any.csv, RMSE: 1.000"


def test_one_image_is_refused():
    one = Predictions(("a",), np.ones(1), None, QualityScores(*np.ones((3, 1))))
    with pytest.raises(DataError, match="at least 2"):
        evaluate(one, QualityScores(*[LinearMapping()] * 3))
