"""Oracle of the good cases: the values written, or the same labels under our column names; of the bad ones: the
sentence names file, line and fault.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.config import DataConfig
from linearityiqa.data.databases import texttable
from linearityiqa.data.databases.csvfile import read_csv
from linearityiqa.data.databases.opening import open_labels
from linearityiqa.errors import DataError


def test_all_columns(label_file):
    path = label_file(
        "image_name,comment,mos,mos_std,split,reference\n"
        "a.png,x,10,1.5,train,r\n"
        'sub/b b.png,"two\nlines",30.5,0,Validation,s\n'
        '"c, d.png",,20,2,TEST,t\n'
        "e.png,,25,2,training,r\n"
    )
    read = read_csv(path)
    assert read.names == ("a.png", "sub/b b.png", "c, d.png", "e.png")
    assert read.mos.tolist() == [10, 30.5, 20, 25]
    assert read.mos_std.tolist() == [1.5, 0, 2, 2]
    assert read.references == ("r", "s", "t", "r")
    assert {name: rows.tolist() for name, rows in read.splits.items()} == {"train": [0, 3], "val": [1], "test": [2]}
    assert (read.scale.low, read.scale.high) == (10, 30.5)
    assert "observed in labels.csv" in read.scale.note
    assert read.lines.tolist() == [2, 3, 5, 6]


@pytest.mark.parametrize(
    "content",
    [
        b"image_name,mos\na.png,1.5\nb.png,2\n",
        b"\xef\xbb\xbfimage_name,mos\r\na.png,1.5\r\nb.png,2\r\n",
        b"image_name;mos\na.png;1,5\nb.png;2\n",
        b"MOS\tImage_Name\n1.5\ta.png\n2\tb.png",
        b'"image_name","mos"\n"a.png","1.5"\n\n"b.png","2"\n\n,\n',
        b" image_name , mos \n a.png , 1.5 \n b.png , 2 \n",
        b"image_name,mos,,\na.png,1.5,,\nb.png,2,,\n",
        b"image_name,mos\ra.png,1.5\rb.png,2\r",
    ],
    ids=["plain", "bom-crlf", "semicolon", "tab", "quoted", "blanks", "trailing", "old-mac"],
)
def test_dialects_give_the_same_labels(label_file, content):
    read = read_csv(label_file(content))
    assert read.names == ("a.png", "b.png")
    assert read.mos.tolist() == [1.5, 2]
    assert read.mos_std is None
    assert read.splits is None


def test_unicode_names(label_file):
    names = ("Größe.png", "写真\u3000一.png", "Shot at 3.45\u202fPM.png")
    read = read_csv(label_file("image_name,mos\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names))))
    assert read.names == names


def test_difference_scores_are_mirrored_inside_their_range(label_file):
    read = read_csv(label_file("image_name,dmos\na.png,10\nb.png,70\nc.png,25\n"))
    assert read.mos.tolist() == [90, 30, 75]
    assert (read.scale.low, read.scale.high) == (0, 100)
    assert "100 - DMOS" in read.scale.note
    assert "10..70" in read.scale.note


@pytest.mark.parametrize(
    ("lowest", "highest", "scale"),
    [
        (6.619, 100, (0, 100)),
        (1.2, 4.9, (1, 5)),
        (0.4, 4.9, (0, 5)),
        (0.1, 0.9, (0, 1)),
        (2, 9, (0, 10)),
        (10, 30.5, (10, 30.5)),  # it half fills none
        (-3, 60, (-3, 60)),
        (5, 130, (5, 130)),
    ],
)
def test_the_scale_is_the_usual_one_that_the_scores_fill(label_file, lowest, highest, scale):
    read = read_csv(label_file(f"image_name,mos\na.png,{lowest}\nb.png,{highest}\n"))
    assert (read.scale.low, read.scale.high) == scale
    assert read.mos.tolist() == [lowest, highest]


def test_a_stated_scale(label_file):
    read = read_csv(label_file("image_name,mos\na.png,3\nb.png,4\n"), scale=(1, 7))
    assert str(read.scale) == "1..7, higher is better"
    assert read_csv(label_file("image_name,dmos\na.png,3\nb.png,4\n"), scale=(1, 7)).mos.tolist() == [5, 4]
    with pytest.raises(DataError, match=r"from 3 to 4, beyond the scale 1\.\.3\.5"):
        read_csv(label_file("image_name,mos\na.png,3\nb.png,4\n"), scale=(1, 3.5))


BAD = {
    "text": ("image_name,mos\na,1\nb,good\n", r"labels\.csv, line 3: mos is 'good', not a finite number"),
    "empty": ("image_name,mos\na,1\n\nb,\n", r"line 4: mos is empty"),
    "nan": ("image_name,mos\na,nan\nb,2\n", r"line 2: mos is 'nan', not a finite"),
    "infinite": ("image_name,mos\na,1\nb,-inf\n", r"line 3: mos is '-inf', not a finite"),
    "overflow": ("image_name,mos\na,1\nb,1e999\n", r"line 3: mos is '1e999'"),
    "underscore": ("image_name,mos\na,1\nb,1_0\n", r"line 3: mos is '1_0'"),
    "negative deviation": (
        "image_name,mos,mos_std\na,1,1\nb,2,-1\n",
        r"line 3: the standard deviation of MOS of b is -1",
    ),
    "empty deviation": ("image_name,mos,mos_std\na,1,1\nb,2,\n", r"line 3: mos_std is empty"),
    "short row": ("image_name,mos\na,1\nb\n", r"line 3: 1 values for 2 columns"),
    "no name": ("image_name,mos\na,1\n,2\n", r"line 3: '' is no image name"),
    "line break in name": ('image_name,mos\na,1\n"b\nc",2\n', r"line 3: 'b\\nc' is no image name"),
    "endless name": (f"image_name,mos\na,1\n{'b' * 2000},2\n", r"line 3: 'bbb.*\.\.\.' is no image name"),
    "split word": ("image_name,mos,split\na,1,train\nb,2,dev\n", r"line 3: split is 'dev'; it must be one of train"),
    "no split": ("image_name,mos,split\na,1,train\nb,2,\n", r"line 3: split is ''"),
    "straddling": (
        "image_name,mos,split,reference\na,1,train,r\nb,2,test,s\nc,3,test,r\n",
        r"line 4: reference 'r' has images in the train and in the test split",
    ),
    "no reference": ("image_name,mos,reference\na,1,r\nb,2,\n", r"line 3: reference is empty"),
    "both directions": ("image_name,mos,dmos\na,1,2\nb,2,1\n", r"both a mos and a dmos column"),
    "column twice": ("image_name,mos,MOS\na,1,2\nb,2,1\n", r"names the column MOS twice"),
    "constant": ("image_name,mos\na,5\nb,5\n", r"every mos in .*labels\.csv is 5"),
    "header only": ("image_name,mos\n", r"lists 0 images; at least 2"),
    "one row": ("image_name,mos\na,1\n", r"lists 1 image; at least 2"),
    "nothing": ("", r"labels\.csv is empty"),
    "blank": ("\ufeff\r\n ,;\n", r"labels\.csv is empty"),
    "blank first line": ("\nimage_name,mos\na,1\nb,2\n", r"first line is blank"),
    "binary": (b"\x89PNG\x00\x00\x01", r"not a UTF-8 text file"),
    "utf-16": ("image_name,mos\na,1\nb,2\n".encode("utf-16"), r"not a UTF-8 text file"),
    "latin-1": ("image_name,mos\na,1\nGröße.png,2\n".encode("latin-1"), r"line 3: not UTF-8 text"),
    "open quote": ('image_name,mos\na,1\n"b,2\n' + "c,3\n" * 60000, r"line \d+: .*quote that is never closed"),
}


@pytest.mark.parametrize(("content", "sentence"), BAD.values(), ids=BAD)
def test_bad_files_get_one_clear_sentence(label_file, content, sentence):
    path = label_file(content)
    with pytest.raises(DataError, match=sentence) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text("\ufeff\r\n\t\"',;.-0123456789ena_mosipgr\\\u00e9", max_size=200))
def test_any_text_gives_labels_or_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("image_name,mos\n" + content, encoding="utf-8", newline="")
    try:
        read = read_csv(path)
    except DataError:
        return
    assert len(read.names) == len(read.mos) >= 2
    assert np.isfinite(read.mos).all()


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"no label file .*gone\.csv"):
        read_csv(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_csv(tmp_path)


def test_huge_files_are_refused_unread(label_file, monkeypatch):
    path = label_file("image_name,mos\na,1\nb,2\nc,3\n")
    monkeypatch.setattr(texttable, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="bytes, more than 10"):
        read_csv(path)


def test_too_many_rows_are_refused(label_file, monkeypatch):
    path = label_file("image_name,mos\n" + "".join(f"{i},{i}\n" for i in range(50)))
    monkeypatch.setattr(texttable, "MAX_ROWS", 3)
    monkeypatch.setattr("linearityiqa.data.databases.labels.MAX_ROWS", 3)
    with pytest.raises(DataError, match="more than 3 images"):
        read_csv(path)


def test_real_labels(real_data):
    """Oracle: the figures published beside the data, 2400 / 300 / 300 images with MOS in 0..1."""
    read = read_csv(real_data / "biq2021" / "mos.csv")
    assert {name: len(rows) for name, rows in read.splits.items()} == {"train": 2400, "val": 300, "test": 300}
    assert 0 <= read.scale.low < read.scale.high <= 1
    assert np.isfinite(read.mos).all()


@pytest.mark.parametrize("unknown", ["", "nan", "0", "0.0"])
def test_deviations_that_are_not_known_stay_unknown(unknown, label_file):
    assert read_csv(label_file(f"image_name,mos,mos_std\na,1,{unknown}\nb,2,{unknown}\n")).mos_std is None


RATINGS = {"a.png": [1, 2, 4], "b.png": [3, 5, 4], "c.png": [2, 2, 5]}


@pytest.mark.parametrize("header", ["image_name,rater,mos", "Image,User ID,Rating", "filename,score"])
def test_several_ratings_of_an_image_are_averaged(label_file, header, caplog):
    rater = ",u" * (header.count(",") - 1)
    rows = [f"{name}{rater},{values[i]}" for i in range(3) for name, values in RATINGS.items()]
    with caplog.at_level("INFO", logger="linearityiqa"):
        found = read_csv(label_file("\n".join([header, *rows])), others=True)
    assert "9 ratings of 3 images" in caplog.text
    assert found.names == tuple(RATINGS)
    np.testing.assert_allclose(found.mos, [np.mean(values) for values in RATINGS.values()])
    np.testing.assert_allclose(found.mos_std, [np.std(values, ddof=1) for values in RATINGS.values()])
    assert found.others["ratings"] == ("3", "3", "3")
    assert (found.scale.low, found.scale.high) == (1, 5)  # of the ratings
    assert found.lines.tolist() == [2, 3, 4]


def test_one_rating_of_an_image_leaves_the_deviations_unknown(label_file):
    found = read_csv(label_file("image_name,observer,mos\na,1,3\na,2,5\nb,1,1\n"))
    assert (found.names, found.mos.tolist(), found.mos_std) == (("a", "b"), [4, 1], None)


def test_a_few_rows_of_one_image_are_not_averaged(label_file):
    read = read_csv(label_file("image_name,mos\na.png,1\nb.png,2\na.png,3\n"))
    assert len(read.names) == 3  # the search for the images refuses it


@pytest.mark.parametrize("header", ["Image,MOS", "filename,score", "name,mean", "Image Name,Mean-Score", "IMG;Opinion"])
def test_usual_names_of_columns_are_understood(label_file, header):
    separator = ";" if ";" in header else ","
    rows = [header, *(separator.join(row) for row in (("a.png", "1.5"), ("b.png", "4")))]
    found = read_csv(label_file("\n".join(rows)))
    assert (found.names, found.mos.tolist()) == (("a.png", "b.png"), [1.5, 4])


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("photo,mos", "no column image_name; its columns are photo, mos. Rename the one .* --image_column"),
        ("image,grade", "no column mos; its columns are image, grade. Rename the one .* --mos_column"),
        ("path,score", "no column image_name"),  # scores that `linearityiqa score` wrote are no opinions
    ],
)
def test_other_names_are_asked_for(label_file, header, said):
    path = label_file(f"{header}\na.png,1\nb.png,2\n")
    with pytest.raises(DataError, match=said):
        read_csv(path)
    image, mos = header.split(",")
    config = DataConfig(dataset=str(path), image_column=image, mos_column=mos.upper())
    assert open_labels(config).labels.names == ("a.png", "b.png")


def test_two_usual_names_are_asked_for(label_file):
    path = label_file("image_name,score,mean\na,1,3\nb,2,5\n")
    with pytest.raises(DataError, match="--mos_column"):
        read_csv(path)
    assert read_csv(path, columns={"mos": "mean"}).mos.tolist() == [3, 5]


@pytest.mark.parametrize("row", ['a.png,"3,5"', "a.png,3,5"])
def test_decimal_commas_are_named(label_file, row):
    with pytest.raises(DataError, match=r"[Dd]ecimal comma.*semicolons between the columns"):
        read_csv(label_file(f"image_name,mos\n{row}\nb.png,4\n"))
