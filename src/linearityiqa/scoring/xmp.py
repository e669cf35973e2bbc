"""Ratings of one to five stars in XMP sidecars, which photo managers read; pictures are never written."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from linearityiqa.errors import OutputError
from linearityiqa.files import write_bytes, writing

MAX_BYTES = 16 << 20
"""Bound on a sidecar; darktable keeps the history of a photograph in it."""
_XMP = "http://ns.adobe.com/xap/1.0/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RATING = f"{{{_XMP}}}Rating"
_NEW = f"""<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about=""/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def sidecar_of(photograph: Path, *, stem: bool = False) -> Path:
    """Return the sidecar of a photograph: photo.jpg.xmp, or photo.xmp with `stem`.

    >>> sidecar_of(Path("a/photo.jpg")).name, sidecar_of(Path("a/photo.jpg"), stem=True).name
    ('photo.jpg.xmp', 'photo.xmp')
    """
    return photograph.with_suffix(".xmp") if stem else photograph.with_name(f"{photograph.name}.xmp")


def write_rating(sidecar: Path, rating: int, *, overwrite: bool = False) -> bool:
    """Write a rating of 1 to 5 stars into a sidecar, which keeps all else or is made.

    Returns:
        Whether it was written: without `overwrite` not where the sidecar has a rating already, other than 0.

    Raises:
        OutputError: the sidecar is damaged, or cannot be read or written; it is left as it is.
    """
    with writing(f"the sidecar {sidecar}", "Check its permissions, and that the disk has room."):
        if not sidecar.exists():
            text = _NEW
        elif sidecar.stat().st_size > MAX_BYTES:
            raise OutputError(f"the sidecar {sidecar} is larger than {MAX_BYTES} bytes. It is left as it is.")
        else:
            text = _decoded(sidecar)
        try:
            there = list(_ratings(text))
            if there and (str(rating) in there or not (overwrite or set(there) <= {"", "0"})):
                return False
            edited = _replaced(text, rating) if there else _inserted(text, rating)
            if list(_ratings(edited)) != [str(rating)]:
                raise ValueError("its rating is written in a way that is not known here")
        except (ElementTree.ParseError, ValueError) as cause:
            raise OutputError(f"the sidecar {sidecar} cannot be edited: {cause}. It is left as it is.") from cause
        write_bytes(sidecar, edited.encode("utf-8"))
        return True


def _decoded(sidecar: Path) -> str:
    try:
        return sidecar.read_bytes().decode("utf-8")
    except UnicodeDecodeError as cause:
        raise OutputError(f"the sidecar {sidecar} is not UTF-8. It is left as it is.") from cause


def _ratings(text: str) -> Iterator[str]:
    """Yield the ratings in a sidecar, which has one at most."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities can grow without bound
        raise ValueError("it declares a document type")
    for element in ElementTree.fromstring(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").encode()).iter():
        if element.tag == _RATING:
            yield (element.text or "").strip()
        if _RATING in element.attrib:
            yield element.attrib[_RATING].strip()


def _replaced(text: str, rating: int) -> str:
    """Replace the value, as an attribute or as an element, and nothing else: a parser would write all anew."""
    name = rf"(?:{'|'.join(map(re.escape, _prefixes(text, _XMP)))}):Rating"
    attribute = re.sub(rf"""(\b{name}\s*=\s*)(["'])[^"']*\2""", rf"\g<1>\g<2>{rating}\g<2>", text)
    return re.sub(rf"(<{name}\b[^>]*>)[^<]*(</)", rf"\g<1>{rating}\g<2>", attribute)


def _inserted(text: str, rating: int) -> str:
    """Add the rating to the first description."""
    name = rf"<(?:{'|'.join(map(re.escape, _prefixes(text, _RDF)))}):Description\b"
    found = re.search(rf"{name}[^>]*", text)
    if found is None:
        raise ValueError("it has no description")
    declared = f' xmlns:xmp="{_XMP}"' if "xmlns:xmp=" not in found[0] else ""
    end = re.match(name, found[0]).end() + found.start()  # type: ignore[union-attr]
    return f'{text[:end]}{declared} xmp:Rating="{rating}"{text[end:]}'


def _prefixes(text: str, namespace: str) -> list[str]:
    found = re.findall(rf"""xmlns:([\w.-]+)\s*=\s*["']{re.escape(namespace)}["']""", text)
    if not found:
        raise ValueError(f"it has no prefix for {namespace}")
    return found
