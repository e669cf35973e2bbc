"""KonIQ-10k (Hosu, Lin, Sziranyi, Saupe, IEEE TIP 2020): the official label files."""

from pathlib import Path

from linearityiqa.data.databases.csvfile import split_column
from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.data.databases.texttable import read_text_table
from linearityiqa.quality import QualityScale

MOS_PER_RATING = 27.82
"""Slope of MOS (1..100) on the mean of the ratings (1..5); the published standard deviations are of ratings."""

SCALE = QualityScale(low=1, high=100)

SETS_FILE = "koniq10k_distributions_sets.csv"
SCORES_FILE = "koniq10k_scores_and_distributions.csv"


def read_koniq(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read one of the two official files.

    ``koniq10k_distributions_sets.csv`` (of the authors' repository) has image_name, c1..c5, c_total, MOS, SD, set.
    ``koniq10k_scores_and_distributions.csv`` (of the database's page) has no set, MOS is the mean rating in 1..5, and
    MOS_zscore is what the other calls MOS.

    Args:
        path: the file.
        on_fault: what is done about faulty rows and values.

    Returns:
        Labels with MOS in 1..100, the standard deviations brought to that scale, and the official split where the
        file has it.

    Raises:
        DataError: what is wrong, in which column and line.
    """
    table = read_text_table(path, ("image_name", "MOS", "MOS_zscore", "SD", "set"), on_fault)
    has_sets = "MOS_zscore" not in table
    return Labels(
        file=path,
        names=tuple(table.texts("image_name")),
        mos=table.numbers("MOS" if has_sets else "MOS_zscore"),
        scale=SCALE,
        mos_std=table.numbers("SD") * MOS_PER_RATING,
        splits=split_column(table, "set", on_fault) if has_sets else None,
        lines=table.lines,
        on_fault=on_fault,
        nan_reported=True,
    )


KONIQ_10K = KnownDatabase(
    name="KonIQ-10k",
    images=10073,
    scale=SCALE,
    source="KonIQ-10k: database.mmsp-kn.de",
    licence="photographs under the Creative Commons licences of their authors; for the scores see the page",
    inner_folders=("", "1024x768"),
    link_target="1024x768",
    release_files=(SETS_FILE, SCORES_FILE),
    release_folders=("", "..", "1024x768"),
    read_release=read_koniq,
    note=f"the official split is in {SETS_FILE}; standard deviations are multiplied by {MOS_PER_RATING}",
    opinion_factor=MOS_PER_RATING,  # the authors' info.mat, too, has the deviations of ratings
    info_ratios=(7058 / 10073, 8058 / 10073),
)
