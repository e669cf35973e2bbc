"""Gallery of scored photographs: each with its score, worst first, in one self-contained HTML file."""

import base64
import contextlib
import hashlib
import importlib.resources
import json
import os
import shutil
import tempfile
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.files import atomic_path, writing
from linearityiqa.images.thumbnails import PIXELS, QUALITY, Thumbnail, read_thumbnail, shrink
from linearityiqa.machine import in_threads
from linearityiqa.quality import GRADES
from linearityiqa.record import ModelRecord, describe_transform
from linearityiqa.reporting.html import base_style
from linearityiqa.scoring.bursts import Place
from linearityiqa.scoring.inputs import is_url, read_url
from linearityiqa.scoring.pictures import Cells, cells_of, cells_of_file
from linearityiqa.scoring.results import ImageScore, decimals, quantiles

_ASSETS = importlib.resources.files("linearityiqa.scoring") / "assets"
_SCRIPTS = ("grid.js", "viewer.js", "histogram.js", "gallery.js")
MAX_BYTES = 60_000_000
"""Most bytes of a page; only the rows of very many photographs can exceed them."""
PREVIEWS = 200
"""Most photographs, the worst, of which a page holds a larger copy too."""
PREVIEW_PIXELS = 1024 * 768
PREVIEW_BYTES = 20_000_000
"""Most bytes of all these copies."""
LEAST_THUMBNAIL = 1_000
"""Bytes below which a thumbnail shows nothing; of more photographs than have room for that, the best have none."""
ROW_BYTES, BURST_BYTES, FACTS_BYTES = 80, 80, 10_000
"""Bytes of a row without its values, of its place in a burst, and of all else on the page."""


class Gallery:
    """Results gathered for a page, in an unnamed file in its folder, so that memory stays small.

    The folder is written to at once: that it cannot be is an `OutputError` before a long run, not after it. Photographs
    of more than `max_pixels` are not opened again for a picture.
    """

    def __init__(self, path: Path, record: ModelRecord, max_pixels: int) -> None:
        self._path, self._record, self._max_pixels = path, record, max_pixels
        self._scores: array[float] = array("d")
        self._lengths: array[int] = array("Q")  # bytes of the row and of the thumbnail of each photograph, in turn
        with writing(f"the report {self._path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._spill = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - close() closes it

    def close(self) -> None:
        """Remove what was gathered."""
        self._spill.close()

    def add(self, result: ImageScore, cells: Cells | None = None) -> None:
        """Gather a result with its thumbnail and its quality map."""
        if cells is None and result.quality_map is not None:
            cells = cells_of(result.quality_map)
        row = _script_json(self._row(result, cells))
        content = b"" if result.thumbnail is None else result.thumbnail.content
        with writing(f"the report {self._path}"):
            self._spill.write(row + content)
        self._scores.append(np.nan if result.score is None else result.score)
        self._lengths.extend((len(row), len(content)))

    def add_stored(self, results: Iterable[ImageScore]) -> None:
        """Gather rows of an earlier run or of other machines; pictures are made anew from the files."""

        def with_pictures(result: ImageScore) -> tuple[ImageScore, Cells | None]:
            cells = None
            with contextlib.suppress(DataError):
                if result.map_file is not None:
                    cells = cells_of_file(Path(result.map_file), self._max_pixels)
            return replace(result, thumbnail=self._copy(result.path)), cells

        for result, cells in in_threads(with_pictures, results):
            self.add(result, cells)

    def write(self, places: Mapping[str, Place] | None = None, *, stopped: bool = False) -> None:
        """Write the page atomically.

        Args:
            places: places of photographs in their groups, which the page then shows together.
            stopped: there are more photographs, which the page says, and no time for larger copies.
        """
        lengths = np.array(self._lengths, dtype=np.int64).reshape(-1, 2)
        starts = np.concatenate([[0], np.cumsum(lengths.sum(axis=1))])
        scores = np.array(self._scores)[: len(lengths)]  # an interrupt may have come before the last length
        order = np.argsort(scores, kind="stable").tolist()  # those without a score come last
        first, last = _head(), _foot()
        row_bytes = ROW_BYTES + BURST_BYTES * bool(places)
        room = MAX_BYTES - len(first) - len(last) - int(lengths[:, 0].sum()) - row_bytes * len(order) - FACTS_BYTES
        most = max(LEAST_THUMBNAIL, _fair_share(lengths[:, 1], room * 3 // 4))
        left = room - int(np.minimum(lengths[:, 1], most).sum()) * 4 // 3

        def gathered(i: int) -> tuple[bytes, bytes]:
            self._spill.seek(int(starts[i]))
            return self._spill.read(int(lengths[i, 0])), self._spill.read(int(lengths[i, 1]))

        with writing(f"the report {self._path}"), atomic_path(self._path) as temporary, temporary.open("wb") as page:
            scored = [] if stopped else order[: min(PREVIEWS, np.isfinite(scores).sum())]
            previews = list(self._previews((json.loads(gathered(i)[0])["path"] for i in scored), left))
            with tempfile.TemporaryFile(dir=self._path.parent) as rows:
                page.write(first)
                end = without = 0
                for rank, i in enumerate(order):
                    row, thumbnail = gathered(i)
                    contents = {"picture": shrink(thumbnail, most), "preview": b"".join(previews[rank : rank + 1])}
                    own: dict[str, Any] = {"picture": None}
                    place = places and places.get(json.loads(row)["path"])
                    if place and place.size > 1:
                        own["burst"] = place._asdict()
                    for name, content in contents.items():
                        text = base64.b64encode(content)
                        if text and end + len(text) <= room:
                            page.write(text)
                            own[name] = (end, end := end + len(text))
                    without += bool(thumbnail) and own["picture"] is None
                    rows.write(b"%b%b,%b" % (b"," * (rank > 0), _script_json(own).removesuffix(b"}"), row.lstrip(b"{")))
                facts = _facts(self._record, scores, self._path, without=without, stopped=stopped)
                page.write(b'</script>\n<script id="facts" type="application/json">' + facts)
                page.write(b'</script>\n<script id="rows" type="application/json">[')
                rows.seek(0)
                shutil.copyfileobj(rows, page)
            page.write(last)

    def _previews(self, paths: Iterable[str], room: int) -> Iterator[bytes]:
        """Yield larger copies of photographs, empty for those that are gone, until the room is filled."""
        room = min(room, PREVIEW_BYTES)
        for picture in in_threads(lambda path: self._copy(path, PREVIEW_PIXELS, 75), paths):
            content = b"" if picture is None else picture.content
            room -= len(content) * 4 // 3 + 4
            if room < 0:
                return
            yield content

    def _copy(self, path: str, pixels: int = PIXELS, quality: int = QUALITY) -> Thumbnail | None:
        try:
            source = read_url(path) if is_url(path) else Path(path)
            return read_thumbnail(source, pixels, quality, name=path, max_pixels=self._max_pixels)
        except DataError:
            return None  # gone since it was scored, or its row says why it has no score

    def _row(self, result: ImageScore, cells: Cells | None) -> dict[str, Any]:
        """Return the row of a photograph for the page's scripts, without its pictures."""
        word = None if result.score is None else self._record.grade(result.score)
        values = {
            "path": result.path,
            "score": result.score,
            "grade": None if word is None else GRADES.index(word),
            "uncertainty": result.uncertainty,
            "beyond": True if result.on_scale is False else None,
            "notes": list(result.notes) or None,
            "error": result.error,
            "size": None if result.thumbnail is None else result.thumbnail.size,
            "map": None if cells is None else cells.as_dict(),
        }
        return {name: value for name, value in values.items() if value is not None}


def _head() -> bytes:
    """Return the start of the page; the small pictures follow in base64, without anything between them."""
    style = base_style() + _asset("gallery.css")
    policy = (
        # nothing is loaded but pictures in the page itself and the photographs, and no script runs but ours, whatever a
        # file name holds
        f"default-src 'none'; img-src data: file:; style-src {_digest(style)}; script-src {_digest(_script())}; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _asset("gallery.html").replace("{policy}", policy).replace("{style}", style)
    return f'{page.rstrip()}\n<script id="pictures" type="text/plain">'.encode()


def _facts(record: ModelRecord, scores: NDArray[np.float64], page: Path, *, without: int, stopped: bool) -> bytes:
    """Return facts on the model and on all photographs, whose missing scores are NaN, for the page's scripts.

    `without` photographs have no picture, because the page would be too large.
    """
    digits, scale = decimals(record.scale), record.scale
    known = scores[~np.isnan(scores)]
    return _script_json(
        {
            "digits": digits,
            "scale": None if scale is None else [scale.low, scale.high],
            "grades": GRADES if scale is not None and record.opinions else None,
            "folder": os.path.relpath(Path.cwd(), page.parent.resolve()),
            "quantiles": quantiles(known, digits) if len(known) else [],
            "without": without,
            "stopped": stopped,
            "about": {
                "Model": f"{record.config.model.architecture}, trained on {record.database}",
                "Predicts": record.labels or "not recorded",
                "Scale": str(scale) if scale else "not recorded",
                "Images": describe_transform(record.config.transform),
                "Software": f"linearityiqa {version('linearityiqa')}",
                "Written": time.strftime("%Y-%m-%d %H:%M"),
            },
        }
    )


def _foot() -> bytes:
    return f"]</script>\n<script>{_script()}</script>\n</body>\n</html>\n".encode()


def _script_json(values: Any) -> bytes:
    """Return JSON in ASCII for a script element: nothing in it ends the element or begins a comment."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").encode("ascii")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _script() -> str:
    return '"use strict";\n' + "".join(map(_asset, _SCRIPTS))


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _fair_share(sizes: NDArray[np.int64], room: int) -> int:
    """Return the largest number of bytes for each of several contents that together have at most `room`.

    >>> _fair_share(np.array([1, 100, 10]), 31), _fair_share(np.array([1, 2]), 31)
    (20, 2)
    """
    ascending = np.sort(sizes)
    shares = (room - np.cumsum(ascending) + ascending) // np.arange(len(sizes), 0, -1)
    too_large = np.flatnonzero(shares < ascending)
    return int(shares[too_large[0]]) if len(too_large) else int(ascending.max(initial=0))
