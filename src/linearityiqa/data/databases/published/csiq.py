"""CSIQ (Larson, Chandler, Journal of Electronic Imaging 2010): 30 references, 6 distortions at 4 or 5 levels.

Layout of the release: ``csiq.DMOS.xlsx``, whose sheet all_by_image has, below some lines of text, the columns image,
dst_idx, dst_type, dst_lev, dmos_std, dmos; ``dst_imgs/`` with a folder for each distortion (``awgn/1600.AWGN.1.png``);
``src_imgs/``. Two text files that are passed around instead are read, too: ``csiq_label.txt`` (name and DMOS in each
line, no standard deviations) and ``csiq_dmos.txt`` (the six columns of the sheet, separated by blanks).
"""

from collections.abc import Sequence
from pathlib import Path

from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.data.databases.published.words import read_words
from linearityiqa.data.databases.texttable import TextTable
from linearityiqa.data.databases.workbook import read_workbook
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

SHEET = "all_by_image"
COLUMNS = ("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")
WORST = 1.0
"""MOS is this minus the difference score, which spans 0 to 1."""
SCALE = QualityScale(low=0, high=WORST, note=f"difference scores (DMOS) inverted as {WORST:g} - DMOS")

DISTORTIONS = {
    "awgn": ("AWGN", "white noise"),
    "jpeg": ("JPEG", "jpeg"),
    "jpeg2000": ("jpeg2000", "jpeg2000"),
    "fnoise": ("fnoise", "pink noise"),
    "blur": ("BLUR", "gaussian blur"),
    "contrast": ("contrast", "contrast decrements"),
}
"""For each folder of distorted images the word in their names, and what it is."""
FOLDERS = {**{name: name for name in DISTORTIONS}, "noise": "awgn"}
"""The folder of each distortion, as dst_type (without blanks) and the names of images call it."""
LEVELS = tuple("12345")


def read_csiq(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read the workbook, or one of the text files.

    Raises:
        DataError: what is wrong, in which column and row.
        MissingExtraError: openpyxl is not installed.
    """
    if path.name == "csiq_label.txt":
        table = read_words(path, ("name", "dmos"), on_fault)
        rows = [tuple(name.split(".")[:3]) for name in table.texts("name")]
    else:
        is_workbook = path.suffix.lower() == ".xlsx"
        table = read_workbook(path, COLUMNS, SHEET, on_fault) if is_workbook else read_words(path, COLUMNS, on_fault)
        rows = list(zip(*map(table.texts, ("image", "dst_type", "dst_lev")), strict=True))
    images = _images(table, rows)
    return Labels(
        file=path,
        names=tuple(f"{folder}/{image}.{DISTORTIONS[folder][0]}.{level}.png" for image, folder, level in images),
        mos=WORST - table.numbers("dmos"),
        scale=SCALE,
        mos_std=table.known_numbers("dmos_std"),
        references=tuple(image for image, _, _ in images),
        lines=table.lines,
        others={
            "distortion": tuple(DISTORTIONS[folder][1] for _, folder, _ in images),
            "level": tuple(level for _, _, level in images),
        },
        on_fault=on_fault,
        nan_reported=True,
    )


def _images(table: TextTable, rows: Sequence[tuple[str, ...]]) -> list[tuple[str, str, str]]:
    """Reference, folder and level of each row, from its reference, distortion and level as they are written."""
    images = []
    for number, row in enumerate(rows):
        image, kind, level = row if len(row) == 3 else ("", "", "")
        folder = FOLDERS.get(kind.lower().replace(" ", ""))
        if folder is None or level not in LEVELS or not image:
            raise DataError(f"{table.where(number)}: {row!r:.80} is no image, distortion and level of CSIQ.")
        images.append((image, folder, level))
    return images


CSIQ = KnownDatabase(
    name="CSIQ",
    images=866,
    scale=SCALE,
    source="CSIQ: s2.smu.edu/~eclarson/csiq.html",
    licence="see the page; free for research",
    inner_folders=("dst_imgs", ""),
    link_target="csiq",
    release_files=("csiq.DMOS.xlsx", "csiq_label.txt", "csiq_dmos.txt"),
    release_folders=("", ".."),
    read_release=read_csiq,
)
