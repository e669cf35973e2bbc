"""LIVE In the Wild Image Quality Challenge Database, CLIVE (Ghadiyaram, Bovik, IEEE TIP 2016): the official release."""

from pathlib import Path

from linearityiqa.data.databases.infomat import read_numbers, read_texts
from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

TRAINING_EXAMPLES = 7
"""The first images of the release trained the human observers; they are no part of the database."""

RELEASE = "CLIVE"
SCALE = QualityScale(low=0, high=100)


def read_clive(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read the official release from its folder ``Data/``.

    Args:
        path: ``AllMOS_release.mat``; ``AllImages_release.mat`` and ``AllStdDev_release.mat`` lie beside it.
        on_fault: what is done about scores and deviations that are none.

    Returns:
        Labels of all images but the training examples, MOS and standard deviations in 0..100.

    Raises:
        DataError: a file that is missing, damaged or of another layout.
        MissingExtraError: SciPy is not installed.
    """
    names = read_texts(path.with_name("AllImages_release.mat"), "AllImages_release", RELEASE)
    mos = read_numbers(path, "AllMOS_release", RELEASE)
    mos_std = read_numbers(path.with_name("AllStdDev_release.mat"), "AllStdDev_release", RELEASE)
    if not len(names) == len(mos) == len(mos_std):
        raise DataError(
            f"{path.parent}: {len(names)} image names, {len(mos)} scores and {len(mos_std)} standard deviations do not "
            "belong together. Copy the release again."
        )
    kept = slice(TRAINING_EXAMPLES, None)
    return Labels(file=path, names=names[kept], mos=mos[kept], scale=SCALE, mos_std=mos_std[kept], on_fault=on_fault)


CLIVE = KnownDatabase(
    name=RELEASE,
    images=1162,
    scale=SCALE,
    source="LIVE In the Wild Image Quality Challenge Database: live.ece.utexas.edu/research/ChallengeDB",
    licence="free to use, copy and distribute with the copyright notice of the University of Texas at Austin",
    inner_folders=("", "Images"),
    link_target="ChallengeDB_release/Images",
    release_files=("AllMOS_release.mat",),
    release_folders=("Data", "../Data"),
    read_release=read_clive,
    common_size=(500, 500),
)
