"""Oracle: workbooks written here; of the bad ones, the sentence names file and fault."""

import zipfile

import openpyxl
import pytest

from linearityiqa.data.databases.published import release
from linearityiqa.data.databases.published.release import read_workbook
from linearityiqa.errors import DataError


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "scores.xlsx"
    made = openpyxl.Workbook()
    made.active.title = "first"
    for row in ([None], ["about", "this"], ["No", "Name", "Score"], [1, 1600, 2.5], [], [2, "b.png", 3]):
        made.active.append(row)
    made.create_sheet("second").append(["name"])
    made.save(path)
    return path


def test_the_header_is_found_below_other_lines(book):
    table = read_workbook(book, ("name", "SCORE"))
    assert table.texts("Name") == ["1600", "b.png"]
    assert table.numbers("score").tolist() == [2.5, 3]
    assert table.lines.tolist() == [4, 6]
    assert table.where(1).endswith("scores.xlsx, line 6")


def test_faults_are_named(book, tmp_path):
    with pytest.raises(DataError, match="none of the first 20 rows names the columns name, mos"):
        read_workbook(book, ("name", "mos"))
    with pytest.raises(DataError, match="has no sheet third; its sheets are first, second"):
        read_workbook(book, ("name",), "third")
    with pytest.raises(DataError, match="lists 0 images"):
        read_workbook(book, ("name",), "second")
    with pytest.raises(DataError, match="there is no workbook"):
        read_workbook(tmp_path / "gone.xlsx", ("name",))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 but no archive", b"name,mos\n"], ids=["empty", "zip", "csv"])
def test_what_is_no_workbook(book, content):
    book.write_bytes(content)
    with pytest.raises(DataError, match=r"scores\.xlsx cannot be read as an Excel workbook"):
        read_workbook(book, ("name",))


def test_an_archive_of_something_else(book):
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(DataError, match="cannot be read as an Excel workbook"):
        read_workbook(book, ("name",))


def test_large_and_bomb_like_files_are_refused_unread(book, monkeypatch):
    monkeypatch.setattr(release, "MAX_UNPACKED", 1000)
    with pytest.raises(DataError, match="unpacks to more than 1000 bytes"):
        read_workbook(book, ("name",))
    monkeypatch.setattr(release, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="more than 10 bytes"):
        read_workbook(book, ("name",))
