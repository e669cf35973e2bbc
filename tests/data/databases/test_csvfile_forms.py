"""Label files as other people make them. Oracle: the same labels under our column names."""

import numpy as np
import pytest

from linearityiqa.config import DataConfig
from linearityiqa.data.databases.csvfile import read_csv
from linearityiqa.data.databases.opening import open_labels
from linearityiqa.errors import DataError

RATINGS = {"a.png": [1, 2, 4], "b.png": [3, 5, 4], "c.png": [2, 2, 5]}


def long_format(header: str, rater: bool) -> str:
    rows = [f"{name},{u}{i},{value}" if rater else f"{name},{value}" for i in range(3)
            for u in "u" for name, values in RATINGS.items() for value in values[i : i + 1]]  # fmt: skip
    return "\n".join([header, *rows]) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        long_format("image_name,rater,mos", True),
        long_format("Image,User ID,Rating", True),
        long_format("filename,score", False),
    ],
)
def test_several_ratings_of_an_image_are_averaged(tmp_path, text, caplog):
    (tmp_path / "long.csv").write_text(text)
    with caplog.at_level("INFO", logger="linearityiqa"):
        found = read_csv(tmp_path / "long.csv", others=True)
    assert "9 ratings of 3 images" in caplog.text
    assert found.names == tuple(RATINGS)
    np.testing.assert_allclose(found.mos, [np.mean(values) for values in RATINGS.values()])
    np.testing.assert_allclose(found.mos_std, [np.std(values, ddof=1) for values in RATINGS.values()])
    assert found.others["ratings"] == ("3", "3", "3")
    assert (found.scale.low, found.scale.high) == (1, 5)  # of the ratings
    assert found.lines.tolist() == [2, 3, 4]


def test_one_rating_of_an_image_leaves_the_deviations_unknown(tmp_path):
    (tmp_path / "long.csv").write_text("image_name,observer,mos\na,1,3\na,2,5\nb,1,1\n")
    found = read_csv(tmp_path / "long.csv")
    assert (found.names, found.mos.tolist(), found.mos_std) == (("a", "b"), [4, 1], None)


def test_a_few_rows_of_one_image_are_still_a_fault(tmp_path):
    (tmp_path / "mos.csv").write_text("image_name,mos\na.png,1\nb.png,2\na.png,3\n")
    assert len(read_csv(tmp_path / "mos.csv").names) == 3  # who looks for the images refuses it


@pytest.mark.parametrize("header", ["Image,MOS", "filename,score", "name,mean", "Image Name,Mean-Score", "IMG;Opinion"])
def test_usual_names_of_columns_are_understood(tmp_path, header):
    separator = ";" if ";" in header else ","
    rows = [header, *(separator.join(row) for row in (("a.png", "1.5"), ("b.png", "4")))]
    (tmp_path / "mos.csv").write_text("\n".join(rows))
    found = read_csv(tmp_path / "mos.csv")
    assert (found.names, found.mos.tolist()) == (("a.png", "b.png"), [1.5, 4])


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("photo,mos", "no column image_name; its columns are photo, mos. Rename the one .* --image_column"),
        ("image,grade", "no column mos; its columns are image, grade. Rename the one .* --mos_column"),
        ("path,score", "no column image_name"),  # what `linearityiqa score` writes is no opinion
    ],
)
def test_other_names_are_asked_for(tmp_path, header, said):
    (tmp_path / "mos.csv").write_text(f"{header}\na.png,1\nb.png,2\n")
    with pytest.raises(DataError, match=said):
        read_csv(tmp_path / "mos.csv")
    image, mos = header.split(",")
    config = DataConfig(dataset=str(tmp_path / "mos.csv"), image_column=image, mos_column=mos.upper())
    assert open_labels(config).labels.names == ("a.png", "b.png")


def test_two_usual_names_are_asked_for(tmp_path):
    (tmp_path / "mos.csv").write_text("image,score,mean\na,1,3\nb,2,5\n")
    with pytest.raises(DataError, match="--mos_column"):
        read_csv(tmp_path / "mos.csv")
    assert read_csv(tmp_path / "mos.csv", columns={"mos": "mean"}).mos.tolist() == [3, 5]


@pytest.mark.parametrize("row", ['a.png,"3,5"', "a.png,3,5"])
def test_decimal_commas_are_named(tmp_path, row):
    (tmp_path / "mos.csv").write_text(f"image_name,mos\n{row}\nb.png,4\n")
    with pytest.raises(DataError, match=r"[Dd]ecimal comma.*semicolons between the columns"):
        read_csv(tmp_path / "mos.csv")
