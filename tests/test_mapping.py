"""Oracle: numpy's polynomial of degree 1, and the JSON that a mapping is said to be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from linearityiqa import LinearMapping
from linearityiqa.errors import DataError

SCORES = np.random.default_rng(0).normal(size=50)
MOS = 20 * SCORES + 50 + np.random.default_rng(1).normal(size=50)


@pytest.mark.parametrize(
    "scores",
    [
        SCORES,
        SCORES.tolist(),
        SCORES[:, None],
        torch.from_numpy(SCORES).requires_grad_(),
        torch.from_numpy(SCORES)[:, None],
    ],
)
def test_the_line_is_that_of_least_squares(scores: object) -> None:
    slope, intercept = np.polyfit(SCORES, MOS, 1)
    line = LinearMapping.fit(scores, MOS)
    assert (line.slope, line.intercept) == pytest.approx((slope, intercept))
    assert line(scores) == pytest.approx(slope * np.asarray(SCORES).reshape(np.shape(scores)) + intercept)


def test_half_precision_is_taken() -> None:
    scores = torch.tensor([0.0, 1.0, 2.0], dtype=torch.bfloat16)
    line = LinearMapping.fit(scores, torch.tensor([1, 3, 5]))
    assert line(scores).tolist() == pytest.approx([1, 3, 5])


def test_it_is_kept_as_plain_json(tmp_path: Path) -> None:
    line = LinearMapping.fit(SCORES, MOS)
    line.save(tmp_path / "mapping.json")
    assert json.loads((tmp_path / "mapping.json").read_text()) == {"slope": line.slope, "intercept": line.intercept}
    assert LinearMapping.load(tmp_path / "mapping.json") == line


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "7",
        '{"slope": 1}',
        '{"slope": "x", "intercept": 0}',
        '{"slope": "1.5", "intercept": 0}',
        '{"slope": NaN, "intercept": 0}',
        "[" * 9000,
        "\udc80",
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mapping.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=r"holds no mapping .*LinearMapping.save"):
        LinearMapping.load(path)
    with pytest.raises(DataError, match="cannot read the mapping"):
        LinearMapping.load(tmp_path / "gone.json")


@pytest.mark.parametrize("slope", ["1.5", None, float("nan"), float("-inf"), 10**400, [1.0]])
def test_a_line_of_anything_but_finite_numbers_is_refused_where_it_is_made(slope: object) -> None:
    for values in ({"slope": slope, "intercept": 0.0}, {"slope": 1.0, "intercept": slope}):
        with pytest.raises(DataError, match="slope and intercept must be finite numbers"):
            LinearMapping(**values)
