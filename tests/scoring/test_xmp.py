"""Oracle: exiftool, where it is installed; the standard library's parser; the sidecar as it was before."""

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from linearityiqa.errors import OutputError
from linearityiqa.scoring.xmp import write_rating

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
HEAD = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
XMP = 'xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
XAP = XMP.replace("xmp=", "xap=")
TITLE = '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">caf\u00e9 &amp; sea</rdf:li></rdf:Alt></dc:title>'
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'


def sidecar(attributes: str = "", content: str = TITLE) -> str:
    inner = f'<rdf:Description rdf:about="" {DC} {attributes}>{content}</rdf:Description>'
    return f'<?xpacket begin="" id="W5"?>\n<!-- kept -->{HEAD}{inner}</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'


def rating_of(path: Path) -> str:
    """The rating as exiftool reads it, or the text between its quotes or tags."""
    if shutil.which("exiftool"):
        done = subprocess.run(["exiftool", "-json", "-XMP:all", str(path)], capture_output=True, text=True, check=True)
        (values,) = json.loads(done.stdout)
        return str(values["Rating"])
    name = "{http://ns.adobe.com/xap/1.0/}Rating"
    found = [e.attrib.get(name) or e.text for e in ElementTree.parse(path).iter() if name in e.attrib or e.tag == name]
    (rating,) = found
    return str(rating)


@pytest.mark.parametrize("rating", [1, 5])
def test_a_new_sidecar_is_read_by_others(tmp_path: Path, rating: int) -> None:
    path = tmp_path / "a.jpg.xmp"
    assert write_rating(path, rating)
    assert rating_of(path) == str(rating)
    assert not write_rating(path, 3)
    assert rating_of(path) == str(rating)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (sidecar(), sidecar().replace("<rdf:Description", f'<rdf:Description {XMP} xmp:Rating="4"')),
        (sidecar(XMP), sidecar(XMP).replace("<rdf:Description", '<rdf:Description xmp:Rating="4"')),
        (sidecar(f'{XMP} xmp:Rating="0"'), sidecar(f'{XMP} xmp:Rating="4"')),
        (sidecar(XMP, TITLE + "<xmp:Rating>0</xmp:Rating>"), sidecar(XMP, TITLE + "<xmp:Rating>4</xmp:Rating>")),
        (sidecar(f"{XMP} xmp:Rating='2'"), sidecar(f"{XMP} xmp:Rating='4'")),
        (sidecar(f'{XAP} xap:Rating="-1"'), sidecar(f'{XAP} xap:Rating="4"')),
    ],
)  # fmt: skip
def test_a_sidecar_keeps_all_else_to_the_byte(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "a.xmp"
    path.write_text(before, encoding="utf-8")
    assert write_rating(path, 4, overwrite=True)
    assert path.read_text(encoding="utf-8") == after
    assert rating_of(path) == "4"


@pytest.mark.parametrize("rating", ["-1", "2", "5"])
def test_a_rating_that_is_there_stays(tmp_path: Path, rating: str) -> None:
    path = tmp_path / "a.xmp"
    for content in (
        sidecar(f'{XMP} xmp:Rating="{rating}"'),
        sidecar(XMP, f"<xmp:Rating>{rating}</xmp:Rating>"),
    ):
        path.write_text(content, encoding="utf-8")
        assert not write_rating(path, 4)
        assert path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no XMP",
        sidecar()[:-40].encode(),
        sidecar().encode("utf-16"),
        sidecar(f'{XMP} xmp:Rating="0"', "<xmp:Rating>0</xmp:Rating>").encode(),
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + sidecar().encode(),
        f"{HEAD}</rdf:RDF></x:xmpmeta>".encode(),
        b"<a/>",
    ],
)
def test_what_is_no_sidecar_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="left as it is"):
        write_rating(path, 4)
    assert path.read_bytes() == content
