"""Oracle: a small tree of files, made here."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from linearityiqa.data.databases.imagefiles import find_images
from linearityiqa.data.databases.labels import Labels
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale


def labels_of(*names: str) -> Labels:
    count = len(names)
    return Labels(
        file=Path("labels.csv"),
        names=names,
        mos=np.arange(count, dtype=float),
        scale=QualityScale(low=0, high=count),
        lines=np.arange(2, count + 2),
    )


@pytest.fixture
def tree(tmp_path):
    for name in ("a.png", "images/a.png", "images/b.png", "images/deep/c d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_the_first_complete_folder_wins(tree):
    folders = [tree, tree / "images"]
    assert find_images(labels_of("a.png", "images/b.png"), folders, "") == (tree, ("a.png", "images/b.png"))
    assert find_images(labels_of("a.png", "b.png"), folders, "")[0] == tree / "images"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("./a.png", "images//deep/../b.png"), ("a.png", "images/b.png")),
        (("linked/a.png", "linked/b.png"), ("linked/a.png", "linked/b.png")),
        # without ending: the only image that has the name; a file without ending is meant by its whole name
        (("photo1", "images/b.png"), ("photo1.JPG", "images/b.png")),
        (("my.photo", "images/deep/c d"), ("my.photo.jpeg", "images/deep/c d.png")),
        (("photo2", "a.png"), ("photo2", "a.png")),
        # in another case, as one photograph of BIQ2021's release and some of TID2013's
        (("a.PNG", "e (1).jpg"), ("a.png", "e (1).JPG")),
        (("Images/deep/C d.png", "a.png"), ("images/deep/c d.png", "a.png")),
    ],
)
def test_names_are_spelled_as_the_files(tree, names, found):
    for name in ("photo1.JPG", "photo1.txt", "my.photo.jpeg", "images/deep/c d.csv", "photo2", "photo2.jpg"):
        (tree / name).write_bytes(b"x")
    (tree / "e (1).JPG").write_bytes(b"x")
    (tree / "linked").symlink_to(tree / "images")
    assert find_images(labels_of(*names), [tree], "") == (tree, found)


@pytest.mark.parametrize("is_relative", [True, False])
def test_absolute_names_inside_the_folder_are_made_relative(tree, monkeypatch, is_relative):
    monkeypatch.chdir(tree)
    folder = Path("images") if is_relative else tree / "images"
    names = (str(tree / "images" / "a.png"), "../images/b.png")
    assert find_images(labels_of(*names), [folder], "") == (folder, ("a.png", "b.png"))


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.png", "images/../../x.png", "..", ".", "images/.."])
def test_names_that_lead_out_are_refused(tree, name):
    with pytest.raises(
        DataError, match=r"labels\.csv, line 3: image name '.*' leads out of the image folder.*image_dir"
    ):
        find_images(labels_of("a.png", name), [tree], "")


def test_dots_cannot_climb_through_a_soft_link(tree, tmp_path_factory):
    """`link/../secret` is beside the link's target for the system; the name is normalised before it gets there."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "inner").mkdir()
    (outside / "secret.png").write_bytes(b"x")
    (tree / "link").symlink_to(outside / "inner")
    assert (tree / "link/../secret.png").is_file()
    with pytest.raises(DataError, match="1 of the 2 images"):
        find_images(labels_of("a.png", "link/../secret.png"), [tree], "")


@pytest.mark.parametrize("again", ["a.png", "./a.png", "images/../a.png", "a"])
def test_an_image_listed_twice_is_refused_whatever_its_spelling(tree, again):
    with pytest.raises(DataError, match=r"line 4: image '.*a(\.png)?' was already listed \(labels\.csv, line 2\)"):
        find_images(labels_of("a.png", "images/b.png", again), [tree], "")


def test_missing_images_are_counted_and_the_first_are_named(tree):
    absent = [f"gone{i}.png" for i in range(5)]
    expected = (
        r"5 of the 6 images of labels\.csv are not in .* \(gone0\.png, gone1\.png, gone2\.png, \.\.\.\)\. Mend it\."
    )
    with pytest.raises(DataError, match=expected):
        find_images(labels_of("a.png", *absent), [tree], "Mend it.")


def test_the_nearest_folder_is_the_one_named(tree):
    with pytest.raises(DataError, match=rf"1 of the 3 images .* not in {tree / 'images'} \(x\.png\)"):
        find_images(labels_of("a.png", "b.png", "x.png"), [tree, tree / "images"], "")


def test_a_folder_that_is_none(tree):
    with pytest.raises(DataError, match=r"nowhere, which is no folder"):
        find_images(labels_of("a.png", "b.png"), [tree / "nowhere"], "")


@pytest.mark.parametrize("name", ["b" * 300 + ".png", "b" * 300 + "/b.png", "images", "photo1", "nowhere/b"])
def test_what_is_no_file_is_missing(tree, name):
    """A name that no file system takes, a folder, and names without ending that no image has."""
    with pytest.raises(DataError, match=r"1 of the 2 images .*\. Mend it"):
        find_images(labels_of("a.png", name), [tree], "Mend it.")


def test_a_name_without_ending_that_fits_several_images_is_an_error_that_names_them(tree):
    (tree / "a.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"1 image names .* \(a: a\.jpg, a\.png\)\. Write"):
        find_images(labels_of("a", "images/b"), [tree], "")


def test_names_without_ending_whose_files_differ_in_case_alone(tmp_path):
    for name in ("a.png", "A.png", "b.png", "B.jpg"):
        (tmp_path / name).write_bytes(b"x")
    if len(list(tmp_path.iterdir())) < 4:
        pytest.skip("the file system ignores case")
    found = ("A.png", "a.png", "b.png", "B.jpg")
    assert find_images(labels_of("A", "a", "b", "B.jpg"), [tmp_path], "") == (tmp_path, found)


def test_a_name_that_fits_two_files_or_one_that_has_a_row_stays_missing(tree):
    if (tree / "A.PNG").exists():
        pytest.skip("the file system does not tell the case of letters")
    (tree / "x.PNG").write_bytes(b"x")
    (tree / "X.png").write_bytes(b"x")
    for names in [("a.png", "x.png"), ("a.png", "A.png"), ("A.png", "a.PNG")]:
        with pytest.raises(DataError, match=r"of the 2 images|fit several files|already listed"):
            find_images(labels_of(*names), [tree], "")


@pytest.mark.parametrize("given", ["NFC", "NFD"])
def test_composed_and_decomposed_accents_meet_in_files_and_folders(tmp_path, given):
    forms = (given, "NFD" if given == "NFC" else "NFC")
    name, other = (unicodedata.normalize(form, "Fotos é/Übung ñ.png") for form in forms)
    for place in (other, "plain.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(b"x")
    labels = labels_of(name, "Fotos é/other.png", "plain.png")
    assert find_images(labels_of(name, "plain.png"), [tmp_path], "")[1] == (other, "plain.png")
    without_ending = labels_of(name.removesuffix(".png"), "plain.png")
    assert find_images(without_ending, [tmp_path], "")[1] == (other, "plain.png")
    with pytest.raises(DataError, match="1 of the 3 images"):
        find_images(labels, [tmp_path], "")


def test_backslashes_are_named(tree):
    with pytest.raises(DataError, match=r"have backslashes, as on Windows: write deep/a\.png"):
        find_images(labels_of("deep\\a.png", "deep\\b.png"), [tree], "")
