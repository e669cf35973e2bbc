"""SPAQ (Fang, Zhu, Zeng, Ma, Wang, CVPR 2020): 11,125 photographs of 66 smartphones.

Layout of the release: ``Annotations/MOS and Image attribute scores.xlsx``, whose first sheet has Image name, MOS,
Brightness, Colorfulness, Contrast, Noisiness, Sharpness, and ``TestImage/`` (``00001.jpg``).
"""

from pathlib import Path

from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.data.databases.texttable import read_text_table
from linearityiqa.data.databases.workbook import read_workbook
from linearityiqa.quality import QualityScale

SCALE = QualityScale(low=0, high=100)
ATTRIBUTES = ("Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness")


def read_spaq(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read the workbook of scores, or its first sheet saved as CSV; the attributes are kept beside the scores.

    Raises:
        DataError: what is wrong, in which column and row.
        MissingExtraError: openpyxl is not installed.
    """
    columns = ("Image name", "MOS", *ATTRIBUTES)
    read_as_csv = path.suffix.lower() == ".csv"
    table = read_text_table(path, columns, on_fault) if read_as_csv else read_workbook(path, columns, None, on_fault)
    return Labels(
        file=path,
        names=tuple(table.texts("Image name")),
        mos=table.numbers("MOS"),
        scale=SCALE,
        lines=table.lines,
        others={name.lower(): tuple(table.texts(name)) for name in ATTRIBUTES if name in table},
        on_fault=on_fault,
        nan_reported=True,
    )


SPAQ = KnownDatabase(
    name="SPAQ",
    images=11125,
    scale=SCALE,
    source="SPAQ: github.com/h4nwei/SPAQ",
    licence="for research and education, with the notice of its authors",
    inner_folders=("TestImage", ""),
    link_target="SPAQ",
    release_files=("MOS and Image attribute scores.xlsx", "MOS and Image attribute scores.csv"),
    release_folders=("Annotations", "", "../Annotations", ".."),
    read_release=read_spaq,
    note="no standard deviations and no official split",
)
