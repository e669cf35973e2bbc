"""LIVE Image Quality Assessment Database, release 2 (Sheikh, Sabir, Bovik, IEEE TIP 2006): 29 references, 779 images.

Layout of the release: the folders ``jp2k`` (227 images), ``jpeg`` (233), ``wn``, ``gblur`` and ``fastfading`` (174
each) with ``img1.bmp`` and so on; ``refimgs``; ``dmos_realigned.mat`` with dmos_new, dmos_std and orgs, ``dmos.mat``
with dmos and orgs, ``refnames_all.mat`` with refnames_all. Their 982 values stand in the order of the folders; where
orgs is 1, the image is an undistorted copy, which is no part of the 779 rated distorted images.
"""

from pathlib import Path

import numpy as np

from linearityiqa.data.databases.infomat import read_numbers, read_texts
from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

NAME = "LIVE"
FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
"""The folders of distorted images in the order of the scores, and how many images each has."""
DISTORTIONS = {"jp2k": "jpeg2000", "jpeg": "jpeg", "wn": "white noise", "gblur": "gaussian blur",
               "fastfading": "fast fading"}  # fmt: skip
WORST = 100.0
"""MOS is this minus the difference score; realigned difference scores may exceed it."""


def read_live(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read ``dmos_realigned.mat`` (better, and with standard deviations) or ``dmos.mat``.

    Args:
        path: one of the two; ``refnames_all.mat`` lies beside it.
        on_fault: what is done about scores and deviations that are none.

    Returns:
        Labels of the distorted images, MOS = 100 - DMOS.

    Raises:
        DataError: a file that is missing, damaged or of another layout.
        MissingExtraError: SciPy is not installed.
    """
    realigned = path.name == "dmos_realigned.mat"
    dmos = read_numbers(path, "dmos_new" if realigned else "dmos", NAME)
    deviations = read_numbers(path, "dmos_std", NAME) if realigned else None
    originals = read_numbers(path, "orgs", NAME)
    references = read_texts(path.with_name("refnames_all.mat"), "refnames_all", NAME)
    images = [(folder, number) for folder, count in FOLDERS.items() for number in range(1, count + 1)]
    lengths = {len(dmos), len(originals), len(references), len(images if deviations is None else deviations)}
    if lengths != {len(images)}:
        raise DataError(
            f"{path.parent}: a release of {NAME} has {len(images)} scores, marks of originals and reference names; "
            f"here are {', '.join(map(str, sorted(lengths)))}. Copy the release again."
        )
    kept = np.flatnonzero(originals == 0)
    mos = WORST - dmos[kept]
    return Labels(
        file=path,
        names=tuple("{}/img{}.bmp".format(*images[row]) for row in kept),
        mos=mos,
        scale=QualityScale(
            low=min(0.0, float(np.nanmin(mos))),
            high=max(WORST, float(np.nanmax(mos))),
            note=f"difference scores (DMOS) inverted as {WORST:g} - DMOS",
        ),
        mos_std=None if deviations is None else deviations[kept],
        references=tuple(references[row] for row in kept),
        others={"distortion": tuple(DISTORTIONS[images[row][0]] for row in kept)},
        on_fault=on_fault,
    )


LIVE = KnownDatabase(
    name=NAME,
    images=779,
    scale=QualityScale(low=0, high=WORST, note=f"difference scores (DMOS) inverted as {WORST:g} - DMOS"),
    source="LIVE Image Quality Assessment Database, release 2: live.ece.utexas.edu/research/quality",
    licence="free to use, copy and distribute with the copyright notice of the University of Texas at Austin",
    inner_folders=("",),
    link_target="databaserelease2",
    release_files=("dmos_realigned.mat", "dmos.mat"),
    release_folders=("",),
    read_release=read_live,
    note="undistorted copies are left out",
)
