"""Oracle: the comparison worked by hand."""

import pytest

from linearityiqa.reproduce.item import Comparison, comparison_table


def test_comparison_says_whether_the_published_value_is_inside():
    inside = Comparison("PLCC", 0.93, 0.935, "somewhere", (0.92, 0.94))
    outside = Comparison("PLCC", 0.93, 0.95, "somewhere", (0.92, 0.94))
    unknown = Comparison("epoch", 8.0, 10.0, "somewhere")
    assert (inside.inside, outside.inside, unknown.inside) == (True, False, None)
    assert outside.as_dict()["difference"] == pytest.approx(-0.02)
    assert [row[5] for row in comparison_table([inside, outside, unknown]).rows] == ["yes", "no", None]
