import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.data.databases.splits import SPLITS, rows_by_order, split_by_reference

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


def test_another_number_is_another_split():
    names = [f"{i}.png" for i in range(50)]
    splits = {tuple(split_by_reference(names, 0.6, 0.8, 1, exp_id)["train"]) for exp_id in range(5)}
    assert len(splits) == 5


def test_ratios_of_zero_leave_everything_for_testing():
    parts = split_by_reference(["a", "b", "c"], 0.0, 0.0, 0, 0)
    assert [len(rows) for rows in parts.values()] == [0, 0, 3]


def test_borders_are_truncated_as_published():
    """Counts of the paper: 697 of CLIVE's 1162 images for training, 7058 and 8058 of KonIQ-10k's 10073."""
    clive = rows_by_order(np.arange(1162), np.arange(1162), 0.6, 0.8)
    assert [len(rows) for rows in clive.values()] == [697, 232, 233]
    koniq = rows_by_order(np.arange(10073), np.arange(10073), 7058 / 10073, 8058 / 10073)
    assert [len(rows) for rows in koniq.values()] == [7058, 1000, 2015]
    assert int(0.29 * 100) == 28  # what rounding would get wrong
    assert len(rows_by_order(np.arange(100), np.arange(100), 0.29, 1.0)["train"]) == 28
