"""What a gallery's page holds beside its photographs: markup, style, scripts, and facts about the model."""

import base64
import hashlib
import importlib.resources
import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.quality import GRADES
from linearityiqa.record import ModelRecord
from linearityiqa.scoring.scorer import describe_transform
from linearityiqa.scoring.tally import decimals, quantiles

_ASSETS = importlib.resources.files("linearityiqa.scoring") / "assets"
_SCRIPTS = ("grid.js", "viewer.js", "histogram.js", "gallery.js")


def head() -> bytes:
    """The page until where the small pictures begin, base64 without anything between them."""
    style, script = _asset("gallery.css"), _script()
    policy = (
        # nothing is loaded but pictures out of the page itself and the photographs beside it, and no script runs but
        # ours, whatever stands in a file name
        f"default-src 'none'; img-src data: file:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _asset("gallery.html").replace("{policy}", policy).replace("{style}", style)
    return f'{page.rstrip()}\n<script id="pictures" type="text/plain">'.encode()


def facts(record: ModelRecord, scores: NDArray[np.float64], page: Path, *, without: int, stopped: bool) -> bytes:
    """The end of the pictures, what is known of the model and the scores, and the beginning of the rows.

    Args:
        record: of the model.
        scores: of all photographs, nan for none.
        page: where the page will stand: photographs are found from there.
        without: how many have no picture, because the page would be too large.
        stopped: there are more photographs than these.
    """
    digits, scale = decimals(record.scale), record.scale
    known = scores[~np.isnan(scores)]
    values: dict[str, Any] = {
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
    begin = b'</script>\n<script id="rows" type="application/json">['
    return b'</script>\n<script id="facts" type="application/json">' + script_json(values) + begin


def foot() -> bytes:
    """The end of the rows and of the page."""
    return f"]</script>\n<script>{_script()}</script>\n</body>\n</html>\n".encode()


def script_json(values: Any) -> bytes:
    """JSON in ASCII that may stand in a script element: nothing in it ends the element or begins a comment."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").encode("ascii")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _script() -> str:
    return '"use strict";\n' + "".join(map(_asset, _SCRIPTS))


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
