"""Which images a model has seen, in few bytes. Oracle: the sets of files that the digests were made of."""

import numpy as np
import pytest

from linearityiqa.record import ImageDigests


@pytest.fixture
def files(tmp_path):
    for number in range(300):
        (tmp_path / f"photo{number}.png").write_bytes(b"x" * number)
    return [tmp_path / f"photo{number}.png" for number in range(300)]


def test_files_are_noticed_wherever_they_lie(files, tmp_path):
    (tmp_path / "copies").mkdir()
    copies = [path.rename(path.parent / "copies" / path.name.upper()) for path in files[:50]]
    known = ImageDigests.of(files[50:150])
    assert ImageDigests.of(copies).among(ImageDigests.of([])) == (0, 0)
    assert ImageDigests.of([]).among(known) == (0, 0)
    assert known.among(ImageDigests.of(files[100:200])) == (50, 0)
    (tmp_path / "photo7.png").write_bytes(b"other")
    assert ImageDigests.of(copies).among(ImageDigests.of([tmp_path / "photo7.png"])) == (0, 1)


def test_plain_values_give_the_digests_back(files):
    digests = ImageDigests.of(files)
    assert ImageDigests.from_dict(digests.as_dict()) == digests
    assert len(digests.as_dict()["digests"]) == 8 * len(files)
    assert ImageDigests.from_dict(ImageDigests.of([]).as_dict()).among(digests) == (0, 0)
    for damaged in ("!", "AAAA"):
        with pytest.raises(ValueError, match=r"base64|length|padding|digit"):
            ImageDigests.from_dict({"count": 1, "digests": damaged})


def test_of_many_files_some_are_kept_and_the_number_is_estimated(files):
    kept = ImageDigests.of(files, 100)
    assert (kept.count, len(kept.digests)) == (300, 600)
    found, _ = kept.among(ImageDigests.of(files[:150]))
    # hypergeometric: 100 of 300 kept, of which each is among the first 150 with a probability of a half
    assert abs(found - 150) < 5 * 3 * np.sqrt(100 * 0.25)
    assert kept.among(ImageDigests.of(files))[0] == 300
