"""KADID-10k (Lin, Hosu, Saupe, QoMEX 2019): 81 pristine images, 25 distortions at 5 levels each.

Layout of the release: ``dmos.csv`` with dist_img, ref_img, dmos, var, and ``images/`` with the distorted images
(``I01_05_03.png``: reference 1, distortion 5, level 3) and the references (``I01.png``).
"""

from pathlib import Path

from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.data.databases.published.words import codes, named
from linearityiqa.data.databases.texttable import read_text_table
from linearityiqa.quality import QualityScale

SCALE = QualityScale(low=1, high=5)

DISTORTIONS = (
    "gaussian blur", "lens blur", "motion blur", "colour diffusion", "colour shift", "colour quantisation",
    "colour saturation 1", "colour saturation 2", "jpeg2000", "jpeg", "white noise", "white noise in colour",
    "impulse noise", "multiplicative noise", "denoise", "brighten", "darken", "mean shift", "jitter",
    "non-eccentricity patch", "pixelate", "quantisation", "colour block", "high sharpen", "contrast change",
)  # fmt: skip
"""Distortions 1 to 25, in the order of their numbers in the image names."""


def read_kadid(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read ``dmos.csv``.

    The column dmos is no difference score in spite of its name: 5 means that the distortion is imperceptible. And var
    holds standard deviations: with 30 ratings of whole points each, the first row's mean of 4.57 and "var" of 0.496
    fit 17 fives and 13 fours, whose standard deviation is 0.496; no 30 ratings have that mean and that variance.

    Raises:
        DataError: what is wrong, in which column and line.
    """
    table = read_text_table(path, ("dist_img", "ref_img", "dmos", "var"), on_fault)
    parts = codes(table, "dist_img", r"I\d\d_(0[1-9]|1\d|2[0-5])_0([1-5])\.png")
    return Labels(
        file=path,
        names=tuple(table.texts("dist_img")),
        mos=table.numbers("dmos"),
        scale=SCALE,
        mos_std=table.numbers("var"),
        references=tuple(table.texts("ref_img")),
        lines=table.lines,
        others={
            "distortion": named((number for number, _ in parts), DISTORTIONS),
            "level": tuple(level for _, level in parts),
        },
        on_fault=on_fault,
        nan_reported=True,
    )


KADID_10K = KnownDatabase(
    name="KADID-10k",
    images=10125,
    scale=SCALE,
    source="KADID-10k: database.mmsp-kn.de",
    licence="see the page; free for research",
    inner_folders=("images", ""),
    link_target="kadid10k",
    release_files=("dmos.csv",),
    release_folders=("", ".."),
    read_release=read_kadid,
    note="the column called dmos is higher for better images, the one called var holds standard deviations",
)
