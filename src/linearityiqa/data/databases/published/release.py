"""Releases of published databases: facts, places of files, and tables in Excel workbooks and MATLAB files."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.data.databases.texttable import TextTable, collect_rows
from linearityiqa.errors import DataError
from linearityiqa.extras import require
from linearityiqa.quality import QualityScale

LABEL_FOLDER = Path("data")
"""Folder of label files that are kept apart from the images, relative to the current one."""
MAX_BYTES = 1 << 24
"""Largest workbook that is read; those of the releases have less than 2 MB."""
MAX_UNPACKED = 1 << 27
"""Most bytes that the parts of a workbook may unpack to."""
MAX_MAT_BYTES = 1 << 20
"""Largest .mat file that is read (those of the releases have some 10 kB; compression grows one at most 1000-fold)."""
_MAX_ROWS, _MAX_COLUMNS, _HEADER_WITHIN = 100_000, 64, 20
_NUMBERS = ("double", "single", "logical", "uint8")


@dataclass(frozen=True, kw_only=True)
class KnownDatabase:
    """Facts of a published database: its scale, source and licence, and the layout of its files.

    Attributes:
        name: name of the database, for `--dataset`; also of the folder (or soft link) with its images.
        images: number of images of the published database.
        scale: range and direction of its scores.
        source: the official page, by name.
        licence: the terms, in words.
        inner_folders: candidates for the image folder, relative to the named one.
        link_target: the folder of the official release that a soft link should lead to.
        release_files: the possible names of the release's label file, the best one first.
        release_folders: candidates for its folder, relative to the image folder.
        read_release: reads that file; the second argument receives the faults.
        note: what a user of its scores should know, in words.
        opinion_factor: brings a published standard deviation to the scale of MOS.
        info_ratios: the (train_ratio, train_and_val_ratio) that its info.mat is always cut with, or None.
        common_size: (height, width) that every image is resized to first, or None.
    """

    name: str
    images: int
    scale: QualityScale
    source: str
    licence: str
    inner_folders: tuple[str, ...]
    link_target: str
    release_files: tuple[str, ...]
    release_folders: tuple[str, ...]
    read_release: Callable[[Path, OnFault], Labels]
    note: str = ""
    opinion_factor: float = 1.0
    info_ratios: tuple[float, float] | None = None
    common_size: tuple[int, int] | None = None

    @property
    def info_file(self) -> str:
        """Name of the label file in the layout of the LinearityIQA authors."""
        return f"{self.name}info.mat"

    def image_folders(self, image_dir: Path | None) -> list[Path]:
        """Return the candidates for the image folder, in order; by default below a folder named like the database."""
        base = image_dir or Path(self.name)
        return [base / inner for inner in self.inner_folders]

    def label_files(self, image_dir: Path | None) -> list[Path]:
        """Return the candidates for the label file, in order: `data/`, then the folders of the images."""
        apart = [LABEL_FOLDER] if image_dir is None else [LABEL_FOLDER, image_dir / LABEL_FOLDER]
        base = image_dir or Path(self.name)
        return [
            *(folder / name for folder in apart for name in (self.info_file, *self.release_files)),
            base / self.info_file,
            # `..` is left to the operating system, so that it leads to the parent of a soft link's target
            *(base / folder / name for name in self.release_files for folder in self.release_folders),
        ]

    def find_labels(self, image_dir: Path | None) -> Path:
        """Return the first label file that exists."""
        candidates = self.label_files(image_dir)
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            raise DataError(
                f"the labels of {self.name} are not here; looked for {', '.join(map(str, candidates))} "
                f"(current folder {Path.cwd()}). {self.remedy()}"
            )
        return found

    def remedy(self) -> str:
        """Return a sentence on how to get the database and where to put it."""
        return (
            f"Get the database from its official page ({self.source}), then: "
            f"ln -s /path/to/{self.link_target} {self.name}, or name its image folder with --image_dir."
        )


def read_workbook(path: Path, wanted: Sequence[str], sheet: str | None = None, on_fault: OnFault = refuse) -> TextTable:
    """Read columns of one sheet, by default the first; the header is the row of the first 20 that has all of `wanted`.

    Formulas are not computed (the values saved with them count), links and macros are ignored.
    """
    openpyxl = require("openpyxl", "train")
    if not path.is_file():
        raise DataError(f"there is no workbook {path}. Check the path.")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes: it is not the workbook of a release.")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > MAX_UNPACKED:
            raise DataError(f"{path} unpacks to more than {MAX_UNPACKED} bytes: it is not the workbook of a release.")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            if sheet is not None and sheet not in book.sheetnames:
                raise DataError(f"{path} has no sheet {sheet}; its sheets are {', '.join(book.sheetnames)}.")
            cells = book[sheet] if sheet is not None else book.worksheets[0]
            cells.reset_dimensions()  # the size that a file claims is not believed
            rows = list(cells.iter_rows(max_row=_MAX_ROWS, max_col=_MAX_COLUMNS, values_only=True))
        finally:
            book.close()
    except DataError:
        raise
    except Exception as cause:  # a damaged file fails in many ways inside zipfile, the XML parser and openpyxl
        raise DataError(f"{path} cannot be read as an Excel workbook: {cause}. Copy it again.") from cause
    columns = [name.lower() for name in wanted]
    for start, names in enumerate([_cell(cell).lower() for cell in row] for row in rows[:_HEADER_WITHIN]):
        if set(columns) <= set(names):
            places = [names.index(name) for name in columns]
            below = ([_cell(row[i]) if i < len(row) else "" for i in places] for row in rows[start + 1 :])
            return collect_rows(path, columns, enumerate(below, start + 2), None, on_fault, "Copy it again.")
    raise DataError(
        f"{path}: none of the first {_HEADER_WITHIN} rows names the columns {', '.join(columns)}. Copy it again."
    )


def _cell(cell: object) -> str:
    """Return a cell as text; a whole number without a point, because image names such as 1600 are stored as numbers."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def read_numbers(path: Path, name: str, release: str) -> NDArray[np.float64]:
    """Return a numeric variable of a MATLAB file, flat; nothing else in the file is read."""
    return _variable(path, name, _NUMBERS, release).astype(np.float64)


def read_texts(path: Path, name: str, release: str) -> tuple[str, ...]:
    """Return a cell array of texts of a MATLAB file, flat."""
    cells = _variable(path, name, ("cell",), release)
    for row, cell in enumerate(cells):
        if not (isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size == 1):
            raise DataError(f"{path}: entry {row + 1} is not an image name. Copy it from the {release} release again.")
    return tuple(str(cell.item()) for cell in cells)


def _variable(path: Path, name: str, classes: tuple[str, ...], release: str) -> NDArray[Any]:
    scipy_io = require("scipy.io", "train")
    if not path.is_file():
        raise DataError(f"the {release} release lacks {path}. Copy it again.")
    if path.stat().st_size > MAX_MAT_BYTES:
        raise DataError(f"{path} has more than {MAX_MAT_BYTES} bytes: it is not of the {release} release.")
    try:
        kinds = {entry[0]: entry[2] for entry in scipy_io.whosmat(path)}
        values = scipy_io.loadmat(path, variable_names=[name])[name] if kinds.get(name) in classes else None
    except Exception as cause:  # a damaged file fails in many ways inside SciPy
        raise DataError(f"{path} cannot be read as a MATLAB file: {cause}. Copy it from the release again.") from cause
    if values is None:
        found = ", ".join(f"{key} ({value})" for key, value in kinds.items()) or "nothing"
        raise DataError(
            f"{path} has no variable {name} of class {classes[0]}; it has {found}. Copy it from the release again."
        )
    return np.ravel(values)
