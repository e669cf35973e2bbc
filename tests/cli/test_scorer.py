"""Oracle: what the command's help says of its cores."""

from pathlib import Path

import pytest

from linearityiqa.cli import scorer
from linearityiqa.config import ScoreConfig, ScoringDeviceConfig, ServeConfig


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "usable_cores", lambda: 20)


@pytest.mark.parametrize(
    ("words", "lanes", "num_threads", "expected"),
    [
        (("photos/",), None, None, (8, 2)),  # a batch on each core, at most eight
        (("a.jpg", "b.jpg"), None, None, (8, 2)),
        (("-",), None, None, (8, 2)),
        (("one.jpg",), None, None, (1, None)),  # soonest when all cores share it
        (("photos/",), None, 4, (1, 4)),
        (("photos/",), 3, None, (3, 6)),
        (("photos/",), 64, None, (64, 1)),
        (("photos/",), 3, 4, (3, 4)),
    ],
)
def test_cores_are_divided_among_many_images_and_shared_by_one(
    words, lanes, num_threads, expected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.jpg").touch()
    config = ScoreConfig(paths=words, lanes=lanes, device=ScoringDeviceConfig(num_threads=num_threads))
    options = scorer.scorer_options(config)
    assert (options["lanes"], options["num_threads"]) == expected


def test_a_service_shares_all_cores_among_the_photographs_of_a_batch() -> None:
    options = scorer.scorer_options(ServeConfig())
    assert (options["lanes"], options["num_threads"]) == (1, None)
