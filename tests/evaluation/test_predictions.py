"""Oracles: NumPy's polynomial fit, and arithmetic by hand."""

import numpy as np
import pytest

from linearityiqa.errors import DataError
from linearityiqa.evaluation import Predictions
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import QualityScores


def test_mapping_is_the_least_squares_line_of_each_head(some_predictions):
    mapping = some_predictions.fit_mapping()
    for line, scores in zip(mapping, some_predictions.scores, strict=True):
        np.testing.assert_allclose([line.slope, line.intercept], np.polyfit(scores, some_predictions.mos, 1))


def test_mapped_scores_are_on_the_line_and_never_clipped(some_predictions):
    mapping = QualityScores(LinearMapping(1, 0), LinearMapping(-2, 3), LinearMapping(1000, 500))
    mapped = some_predictions.mapped(mapping)
    np.testing.assert_array_equal(mapped.stage3, some_predictions.scores.stage3)
    np.testing.assert_allclose(mapped.stage4, -2 * some_predictions.scores.stage4 + 3)
    np.testing.assert_allclose(mapped.fused, 1000 * some_predictions.scores.fused + 500)
    assert mapped.fused.max() > 1000


@pytest.mark.parametrize("column", ["mos", "mos_std", "stage4"])
def test_columns_of_unequal_length_are_refused(column):
    columns = {name: np.zeros(3) for name in ("mos", "mos_std", "stage3", "stage4", "fused")}
    columns[column] = np.zeros(2)
    mos, mos_std, *scores = columns.values()
    with pytest.raises(DataError, match=f"predictions of 3 images have {column} of shape"):
        Predictions(("a", "b", "c"), mos, mos_std, QualityScores(*scores))


def test_one_image_has_no_line():
    one = Predictions(("a",), np.ones(1), None, QualityScores(*np.ones((3, 1))))
    with pytest.raises(DataError, match="at least 2"):
        one.fit_mapping()
