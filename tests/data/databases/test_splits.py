"""Oracles: what a split by reference must satisfy, by counting, and SciPy's Kolmogorov-Smirnov test."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.data.databases.splits import (
    SPLITS,
    rows_by_order,
    share_out,
    split_by_ratio,
    split_by_reference,
    split_into_folds,
    validation_split,
)
from linearityiqa.errors import DataError

REFERENCES = st.lists(st.sampled_from("abcdefghijklm"), min_size=1, max_size=60)
RATIOS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


@given(REFERENCES, RATIOS, st.integers(0, 2**40), st.integers(0, 1000))
def test_parts_are_a_partition_and_no_reference_straddles(references, ratios, seed, exp_id):
    parts = split_by_reference(references, *ratios, seed, exp_id)
    assert tuple(parts) == SPLITS
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(references)))
    homes = [{references[row] for row in rows} for rows in parts.values()]
    assert sum(map(len, homes)) == len(set(references))
    count = len(set(references))
    assert [len(home) for home in homes[:2]] == [
        int(ratios[0] * count),
        int(ratios[1] * count) - int(ratios[0] * count),
    ]


@given(REFERENCES, st.randoms())
def test_the_split_of_a_reference_does_not_depend_on_the_order_of_rows(references, random):
    shuffled = random.sample(references, len(references))
    homes = []
    for order in (references, shuffled):
        parts = split_by_reference(order, 0.5, 0.75, 3, 1)
        homes.append({order[row]: name for name, rows in parts.items() for row in rows})
    assert homes[0] == homes[1]


def test_against_the_generator_itself():
    """Oracle: the permutation that default_rng([seed, exp_id]) draws, applied to the sorted names by hand."""
    names = [f"{i:03d}.png" for i in range(11)]
    order = np.random.default_rng([7, 2]).permutation(11)
    parts = split_by_reference(names, 0.6, 0.8, seed=7, exp_id=2)
    assert parts["train"].tolist() == sorted(order[:6])
    assert parts["val"].tolist() == sorted(order[6:8])
    assert parts["test"].tolist() == sorted(order[8:])


def test_borders_are_truncated_as_published():
    """Counts of the paper: 697 of CLIVE's 1162 images for training, 7058 and 8058 of KonIQ-10k's 10073."""
    clive = rows_by_order(np.arange(1162), np.arange(1162), 0.6, 0.8)
    assert [len(rows) for rows in clive.values()] == [697, 232, 233]
    koniq = rows_by_order(np.arange(10073), np.arange(10073), 7058 / 10073, 8058 / 10073)
    assert [len(rows) for rows in koniq.values()] == [7058, 1000, 2015]
    assert int(0.29 * 100) == 28  # what rounding would get wrong
    assert len(rows_by_order(np.arange(100), np.arange(100), 0.29, 1.0)["train"]) == 28


@pytest.fixture
def database():
    """600 images of 120 references, 1 to 9 each, MOS by reference and noise, in shuffled order."""
    rng = np.random.default_rng(1)
    sizes = rng.multinomial(600 - 120, np.full(120, 1 / 120)) + 1
    codes = rng.permutation(np.repeat(np.arange(120), sizes))
    mos = rng.beta(4, 2, 120)[codes] * 80 + rng.normal(0, 5, 600)
    return [f"scene {code}" for code in codes], mos


def homes(references, parts):
    """The references of each part."""
    return [{references[row] for row in rows} for rows in parts]


@pytest.mark.parametrize(
    ("ratios", "sizes"), [((0.6, 0.8), [72, 24, 24]), ((0, 0), [0, 0, 120]), ((1, 1), [120, 0, 0])]
)
def test_no_reference_straddles_and_every_row_has_one_part(database, ratios, sizes):
    references, mos = database
    parts = split_by_ratio(references, mos, *ratios, 10, np.random.default_rng(0))
    found = homes(references, parts.values())
    assert len(set.union(*found)) == sum(map(len, found))
    assert [len(part) for part in found] == sizes
    assert sorted(np.concatenate(list(parts.values()))) == list(range(600))


@pytest.mark.parametrize("seed", range(10))
def test_the_parts_are_balanced_in_mos(database, seed):
    """Oracle: Kolmogorov-Smirnov on the means of references; random splits have a median distance above 0.1."""
    references, mos = database
    distinct, codes = np.unique(references, return_inverse=True)
    means = np.bincount(codes, mos) / np.bincount(codes)
    parts = split_by_ratio(references, mos, 0.6, 0.8, 10, np.random.default_rng(seed))
    inside = np.isin(distinct, list(homes(references, parts.values())[0]))
    assert scipy.stats.ks_2samp(means[inside], means[~inside]).statistic < 0.1


def test_it_depends_on_the_seed_and_not_on_the_order_of_rows(database):
    references, mos = database
    splits = []
    for seed, step in [(3, 1), (3, -1), (4, 1)]:
        shuffled = references[::step]
        parts = split_by_ratio(shuffled, mos[::step], 0.6, 0.8, 10, np.random.default_rng(seed))
        splits.append(homes(shuffled, parts.values()))
    assert splits[0] == splits[1] != splits[2]


def test_folds_are_test_set_once_and_validation_set_once(database):
    references, mos = database
    splits = split_into_folds(references, mos, 5, 10, np.random.default_rng(0))
    assert sorted(np.concatenate([split["test"] for split in splits])) == list(range(600))
    for split, following in zip(splits, splits[1:] + splits[:1], strict=True):
        assert np.array_equal(split["val"], following["test"])
        found = homes(references, split.values())
        assert len(set.union(*found)) == 120
        assert [len(part) for part in found] == [72, 24, 24]
        assert sum(map(len, split.values())) == 600
        assert abs(mos[split["test"]].mean() - mos.mean()) < 2.5


@given(
    values=st.lists(st.integers(0, 20), min_size=1, max_size=120),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    stratum=st.integers(2, 30),
)
def test_every_stratum_gets_its_due_shares(values, cuts, stratum):
    """Oracle: at the end of each stratum no part has a whole thing more than its share of the things so far."""
    count = len(values)
    sizes = np.diff([0, *(int(cut * count) for cut in sorted(cuts)), count]).tolist()
    parts = share_out(np.array(values, dtype=float), sizes, stratum, np.random.default_rng(0))
    assert np.bincount(parts, minlength=len(sizes)).tolist() == sizes
    order = np.argsort(values, kind="stable")
    borders = [b for b in range(stratum, count, stratum) if values[order[b - 1]] < values[order[b]]]
    for border in borders:  # elsewhere equal values may be swapped across the border
        so_far = np.bincount(parts[order[:border]], minlength=len(sizes))
        assert (so_far - np.array(sizes) * border / count).max() < 1 + 1e-9


def test_too_few_references():
    with pytest.raises(DataError, match="2 references cannot be split into 3 parts"):
        split_by_ratio(["a", "b", "a"], np.arange(3.0), 0.6, 0.8, 10, np.random.default_rng(0))


@pytest.fixture
def official(database):
    """The same with a test set of its own: 20 whole references, and 25 more that may not be validated on."""
    references, mos = database
    test = np.flatnonzero(np.isin(references, [f"scene {code}" for code in range(20)]))
    barred = np.isin(references, [f"scene {code}" for code in range(20, 45)])
    return references, mos, test, barred


def test_a_validation_set_leaves_the_test_set_and_what_is_barred(official):
    references, mos, test, barred = official
    parts = validation_split(references, mos, test, barred, 0.2, 10, np.random.default_rng(0))
    train, val, held = homes(references, parts.values())
    assert parts["test"].tolist() == test.tolist()
    assert not barred[parts["val"]].any()
    assert not train & val
    assert not val & held
    assert sorted(np.concatenate(list(parts.values()))) == list(range(600))
    largest = max(np.unique(references, return_counts=True)[1])
    assert abs(len(parts["val"]) - 0.2 * (600 - len(test))) <= largest


def test_a_validation_set_is_alike_in_mos_even_where_the_barred_are_the_worst():
    """Oracle: Kolmogorov-Smirnov. Half of the worse half may not be chosen; a draw from the others would be better."""
    mos = np.random.default_rng(0).uniform(0, 1, 4000)
    barred = (mos < 0.5) & (np.arange(4000) % 2 == 0)
    names = [f"{row:04d}" for row in range(4000)]
    parts = validation_split(names, mos, np.arange(0), barred, 0.1, 10, np.random.default_rng(0))
    assert scipy.stats.ks_2samp(mos[parts["val"]], mos).statistic < 0.02
    assert scipy.stats.ks_2samp(mos[~barred], mos).statistic > 0.1


@pytest.mark.parametrize("share", [0.999, 1e-9])
def test_a_share_that_leaves_nothing_is_refused(share):
    barred = np.ones(4, dtype=bool) if share < 0.5 else np.zeros(4, dtype=bool)
    with pytest.raises(DataError, match="leaves nothing for"):
        validation_split(list("abcd"), np.arange(4.0), np.arange(0), barred, share, 10, np.random.default_rng(0))
