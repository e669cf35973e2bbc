"""Oracles: SciPy's paired bootstrap, identities (a method against itself, order, sign)."""

import numpy as np
import pytest
import scipy.stats

from linearityiqa.errors import DataError
from linearityiqa.metrics import LEVEL, agreement, compare, holm, is_better, williams


def methods(n=120, seed=0):
    rng = np.random.default_rng(seed)
    mos = rng.uniform(0, 100, n)
    noise = {"good": 5, "fair": 15, "poor": 40}
    return {name: mos + rng.normal(0, size, n) for name, size in noise.items()}, mos


def test_difference_and_interval_are_scipys_paired_bootstrap():
    predictions, mos = methods(40)
    x, y = predictions["good"], predictions["fair"]
    expected = scipy.stats.bootstrap(
        (x, y, mos),
        lambda x, y, mos: scipy.stats.spearmanr(x, mos)[0] - scipy.stats.spearmanr(y, mos)[0],
        paired=True,
        vectorized=False,
        n_resamples=200,
        method="BCa",
        rng=np.random.default_rng(5),
    ).confidence_interval
    pair = compare({"good": x, "fair": y}, mos, resamples=200, seed=5, mappings=()).pairs[0]
    found = pair.differences["SROCC"]
    assert found.value == pytest.approx(agreement(x, mos).srocc - agreement(y, mos).srocc, abs=1e-12)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(expected), abs=1e-9)


def test_each_methods_agreement_is_that_of_agreement():
    predictions, mos = methods()
    found = compare(predictions, mos, np.full(len(mos), 20.0), resamples=100, seed=2)
    for name, values in predictions.items():
        alone = agreement(values, mos, np.full(len(mos), 20.0), mappings=list(found.agreements[name].mapped),
                          resamples=100, seed=2)  # fmt: skip
        assert found.agreements[name] == alone


def test_clear_differences_are_found_in_the_right_direction():
    predictions, mos = methods()
    found = compare(predictions, mos, np.full(len(mos), 10.0), resamples=500)
    expected = [[0, 1, 1], [-1, 0, 1], [-1, -1, 0]]
    for figure in found.figures():
        assert found.better(figure).tolist() == expected, figure
    verdict = found.pairs[0].verdict("RMSE")
    assert verdict.startswith("good is better than fair: RMSE is lower")
    assert "n = 120" in verdict


def test_a_method_against_itself_shows_no_difference():
    predictions, mos = methods()
    pair = compare({"one": predictions["good"], "same": predictions["good"]}, mos, resamples=100).pairs[0]
    for figure, found in pair.differences.items():
        assert (found.value, found.p_holm, found.better) == (0, 1, 0), figure
    assert all(test.p == 1 for tests in pair.tests.values() for test in tests)
    assert pair.verdict("SROCC").startswith("No difference in SROCC shown between one and same")


def test_interval_and_verdict_agree_for_two_methods():
    # with one pair there is no correction: p < 0.05 exactly where the 95 % interval leaves out 0
    seen = set()
    for seed in range(12):
        predictions, mos = methods(40, seed)
        other = mos + np.random.default_rng(seed + 100).normal(0, 15 + 2 * seed, 40)
        pair = compare({"a": predictions["fair"], "b": other}, mos, resamples=400, seed=seed, mappings=()).pairs[0]
        for found in pair.differences.values():
            outside = 0 not in found.interval
            assert abs(found.p - LEVEL) < 0.01 or (found.better != 0) == outside
            seen.add(outside)
    assert seen == {True, False}


def test_holms_correction_is_over_the_pairs_of_methods():
    predictions, mos = methods(50)
    predictions["twin"] = predictions["fair"] + np.random.default_rng(1).normal(0, 6, 50)
    found = compare(predictions, mos, resamples=200, mappings=())
    for figure in found.figures():
        differences = [pair.differences[figure] for pair in found.pairs]
        np.testing.assert_allclose(holm([d.p for d in differences]), [d.p_holm for d in differences])
    assert len(found.pairs) == 6


def test_a_method_that_falls_is_compared_without_the_sign_of_its_correlations():
    predictions, mos = methods()
    rising = compare({"good": predictions["good"], "fair": predictions["fair"]}, mos, resamples=100)
    turned = compare({"good": predictions["good"], "fair": -predictions["fair"]}, mos, resamples=100)
    for figure in ("SROCC", "PLCC", "KROCC", "PLCC_linear", "RMSE_linear", "RMSE_logistic4"):
        one, other = rising.pairs[0].differences[figure], turned.pairs[0].differences[figure]
        assert one.value == pytest.approx(other.value, rel=1e-4), figure
        assert one.interval.low == pytest.approx(other.interval.low, rel=1e-3), figure
    assert turned.pairs[0].tests["SROCC"] == pytest.approx(rising.pairs[0].tests["SROCC"])
    assert any("fair falls as the MOS rises" in note for note in turned.notes)


def test_tests_of_srocc_use_the_ranks():
    predictions, mos = methods()
    x, y = predictions["good"], predictions["fair"]
    r = scipy.stats.spearmanr(np.stack([x, y, mos], axis=1)).statistic
    found = compare({"x": x, "y": y}, mos, resamples=100, mappings=()).pairs[0].tests["SROCC"][0]
    assert found.statistic == pytest.approx(williams(r[0, 2], r[1, 2], r[0, 1], len(mos)).statistic, rel=1e-9)


def test_what_cannot_be_compared_is_said():
    found = compare({"a": [1, 2, 3], "b": [3, 2, 1]}, [1, 2, 3], resamples=100, mappings=())
    assert found.pairs[0].differences == {}
    constant = compare({"a": np.ones(20), "b": np.arange(20.0)}, np.arange(20.0), resamples=100, mappings=())
    assert "cannot be compared in SROCC" in constant.pairs[0].verdict("SROCC")
    assert constant.better("SROCC").tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ({"one": [1, 2, 3, 4]}, "at least two methods"),
        ({"one": [1, 2, 3, 4], "bad": [1, np.nan, 3, 4]}, "bad: predictions holds nan"),
        ({"one": [1, 2, 3, 4], "short": [1, 2, 3]}, "short: "),
    ],
)
def test_unusable_methods_are_refused_by_name(predictions, message):
    with pytest.raises(DataError, match=message):
        compare(predictions, [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("figure", "value", "best", "better"),
    [
        ("SROCC", -0.9, 0.8, True),
        ("PLCC", 0.8, 0.8, False),
        ("RMSE", 7.0, 8.0, True),
        ("RMSE", 9.0, 8.0, False),
        ("SROCC", None, 0.1, False),
        ("SROCC", 0.1, None, True),
    ],
)
def test_better(figure, value, best, better):
    assert is_better(figure, value, best) is better
