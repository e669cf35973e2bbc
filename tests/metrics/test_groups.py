"""Oracles: `agreement` of each group alone, and groups worked by hand."""

import numpy as np
import pytest

from linearityiqa.errors import ConfigError, DataError
from linearityiqa.metrics import agreement, agreement_by_group, fit_mapping, label_ranges


def labelled(n=60):
    rng = np.random.default_rng(3)
    mos = rng.uniform(0, 100, n)
    groups = [("blur", "noise", "jpeg")[i % 3] for i in range(n)]
    return mos + rng.normal(0, 9, n) + 15 * np.array([g == "blur" for g in groups]), mos, groups


def test_each_group_is_the_agreement_of_its_images():
    x, y, groups = labelled()
    found = agreement_by_group(x, y, groups, np.full(60, 5.0), resamples=100, seed=1)
    assert [one.group for one in found] == ["blur", "noise", "jpeg"]
    for one in found:
        own = [i for i, g in enumerate(groups) if g == one.group]
        assert one.agreement == agreement(x[own], y[own], np.full(20, 5.0), resamples=100, seed=1)
        assert one.bias == pytest.approx(np.mean(x[own] - y[own]))
        assert one.mos == pytest.approx(np.mean(y[own]))
        assert one.n == 20


def test_mapping_is_that_of_all_images():
    x, y, groups = labelled()
    mapped = fit_mapping("linear", x / 7 - 3, y)(x / 7 - 3)
    plain = agreement_by_group(mapped, y, groups)
    for one, other in zip(agreement_by_group(x / 7 - 3, y, groups, mapping="linear"), plain, strict=True):
        assert one.agreement.rmse == pytest.approx(other.agreement.rmse)
        assert one.bias == pytest.approx(other.bias)
    # least squares has no bias over all images, but has one in the group that is favoured
    assert sum(one.n * one.bias for one in plain) == pytest.approx(0, abs=1e-9)
    assert plain[0].bias > 1


def test_a_single_image_has_a_bias_only():
    found = agreement_by_group([1.0, 2.0, 4.0], [1.0, 2.0, 3.0], ["a", "a", "b"])
    assert found[1].agreement is None
    assert (found[1].n, found[1].bias) == (1, 1.0)


def test_ranges_hold_equally_many_images_and_equal_mos_stay_together():
    mos = np.array([5.0, 1, 3, 3, 2, 9, 8, 4])
    assert label_ranges(mos, 2) == [f"{'1 to 3' if value <= 3 else '4 to 9'}" for value in mos]
    many = label_ranges(np.random.default_rng(0).uniform(0, 1, 100), 4)
    assert sorted(many.count(name) for name in set(many)) == [25, 25, 25, 25]
    assert len(set(label_ranges(np.array([1.0, 1, 1, 1, 2]), 4))) == 2


def test_unusable_groups_are_refused():
    with pytest.raises(DataError, match="groups must be as long"):
        agreement_by_group([1, 2], [1, 2], ["a"])
    with pytest.raises(ConfigError, match="at least 2"):
        label_ranges([1.0, 2.0], 1)
