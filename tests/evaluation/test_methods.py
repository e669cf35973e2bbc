"""Oracle: files written by hand, and what is known of them."""

from pathlib import Path

import numpy as np
import pytest

from linearityiqa.errors import DataError
from linearityiqa.evaluation import Predictions, write_authors_npy
from linearityiqa.evaluation.methods import method_names, read_methods
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import QualityScores


@pytest.fixture
def write(tmp_path):
    def write(name, rows, header="image_name,prediction,mos"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return write


def npy(path, n=6, slope=2.0):
    mos = np.arange(n, dtype=float) * 10
    scores = QualityScores(*(np.linspace(0, 1, n) ** power for power in (3, 2, 1)))  # the fused head is the last
    predictions = Predictions(tuple(map(str, range(n))), mos, mos * 0 + 4, scores)
    write_authors_npy(path, predictions, QualityScores(*[LinearMapping(slope, 1.0)] * 3))
    return path


def test_methods_are_brought_to_their_common_images_in_the_first_files_order(write):
    one = write("one.csv", ["a,1,10", "b,2,20", "c,3,30", "d,4,40"])
    two = write("two.csv", ["d,40,40", "x,0,5", "b,20,20.001", "a,10,10"])
    found = read_methods([one, two])
    assert found.images == ("a", "b", "d")
    assert found.predictions["one"].tolist() == [1, 2, 4]
    assert found.predictions["two"].tolist() == [10, 20, 40]
    assert found.mos.tolist() == [10, 20, 40]
    assert "1 of the 4 images of" in found.notes[0]
    assert len(found.notes) == 2


def test_deviations_ratings_and_groups_come_along(write):
    rows = ["a,1,10,2,30,blur", "b,2,20,3,31,jpeg", "c,3,30,4,32,blur"]
    one = write("one.csv", rows, "image_name,prediction,mos,mos_std,ratings,Distortion")
    two = write("two.csv", ["c,9,30", "b,8,20"])
    found = read_methods([one, two], by="distortion", mos_std_scale=2.0)
    assert found.mos_std.tolist() == [6, 8]
    assert found.ratings.tolist() == [31, 32]
    assert found.groups == ("jpeg", "blur")


def test_authors_files_are_read_as_mapped_scores(tmp_path):
    found = read_methods([npy(tmp_path / "a.npy"), npy(tmp_path / "b.npy", slope=5.0)])
    np.testing.assert_allclose(found.predictions["b"], 5 * np.linspace(0, 1, 6) + 1)
    assert found.mos_std.tolist() == [4] * 6


def test_small_deviations_are_doubted(write):
    rows = [f"{i},{i},{10 * i},0.5" for i in range(8)]
    path = write("one.csv", rows, "image_name,prediction,mos,mos_std")
    assert "small for the range of the MOS" in read_methods([path]).notes[0]
    assert read_methods([path], mos_std_scale=27.82).notes == ()


def test_what_cannot_be_compared_is_refused(write, tmp_path):
    one = write("one.csv", ["a,1,10", "b,2,20", "c,3,30"])
    other_mos = write("other.csv", ["a,1,10", "b,2,21", "c,3,30"])
    other_images = write("images.csv", ["x,1,10", "b,2,20"])
    authors = npy(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"the MOS of b is 20 in .*one.csv and 21 in .*other.csv"):
        read_methods([one, other_mos])
    with pytest.raises(DataError, match="have 1 images in common"):
        read_methods([one, other_images])
    with pytest.raises(DataError, match="no image names"):
        read_methods([one, authors])
    with pytest.raises(DataError, match="no image names"):
        read_methods([authors, npy(tmp_path / "longer.npy", n=7)])
    with pytest.raises(DataError, match="named twice"):
        read_methods([one, one])
    with pytest.raises(DataError, match="has no column kind"):
        read_methods([one], by="kind")
    with pytest.raises(DataError, match="has no column kind"):
        read_methods([authors], by="kind")


def test_methods_have_names_of_their_own():
    names = method_names([Path("a/x.csv"), Path("b/x.csv"), Path("runs/one/predictions.csv"), Path("y.npy")])
    assert names == ("a/x.csv", "b/x.csv", "one", "y")
