"""Databases of artificially distorted images: the facts of each, and the reader of its release."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.labels import Fault, Labels, OnFault, refuse
from linearityiqa.data.databases.releasefiles import read_numbers, read_texts, read_words, read_workbook
from linearityiqa.data.databases.texttable import TextTable, read_text_table
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale


def _inverted(worst: float) -> QualityScale:
    """Scale of MOS = worst - DMOS."""
    return QualityScale(low=0, high=worst, note=f"difference scores (DMOS) inverted as {worst:g} - DMOS")


def _read_names(
    table: TextTable, column: str, pattern: str, distortions: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Reference, distortion and level of each image, from its name; case does not matter.

    Args:
        table: the labels.
        column: the column of the names.
        pattern: its three groups are the number of the reference, that of the distortion from 1, and the level.
        distortions: the distortions in words.

    Returns:
        The references, and the other two by their column; where faults are collected, those of a name of another form
        are empty.
    """
    references: list[str] = []
    others: dict[str, list[str]] = {"distortion": [], "level": []}
    for row, name in enumerate(table.texts(column)):
        match = re.fullmatch(pattern, name, re.IGNORECASE)
        if match is None:
            message = f"{table.where(row)}: {name[:80]!r} is no image name of this database. Copy the file again."
            table.on_fault(Fault("name", message, (name,)))
        reference, distortion, level = match.groups() if match else ("", "", "")
        references.append(reference)
        others["distortion"].append(distortions[int(distortion) - 1] if distortion else "")
        others["level"].append(level)
    return references, others


KADID_SCALE = QualityScale(low=1, high=5)
KADID_DISTORTIONS = (
    "gaussian blur", "lens blur", "motion blur", "colour diffusion", "colour shift", "colour quantisation",
    "colour saturation 1", "colour saturation 2", "jpeg2000", "jpeg", "white noise", "white noise in colour",
    "impulse noise", "multiplicative noise", "denoise", "brighten", "darken", "mean shift", "jitter",
    "non-eccentricity patch", "pixelate", "quantisation", "colour block", "high sharpen", "contrast change",
)  # fmt: skip
"""Distortions 1 to 25, in the order of their numbers in the image names."""


def read_kadid(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read ``dmos.csv`` of KADID-10k (Lin, Hosu, Saupe, QoMEX 2019): 81 references, 25 distortions, 5 levels.

    Layout of the release: that file, with dist_img, ref_img, dmos, var, and ``images/`` with the distorted images
    (``I01_05_03.png``: reference 1, distortion 5, level 3) and the references (``I01.png``).

    The column dmos is no difference score in spite of its name: 5 means that the distortion is imperceptible. And var
    holds standard deviations: with 30 ratings of whole points each, the first row's mean of 4.57 and "var" of 0.496
    fit 17 fives and 13 fours, whose standard deviation is 0.496; no 30 ratings have that mean and that variance.
    """
    table = read_text_table(path, ("dist_img", "ref_img", "dmos", "var"), on_fault)
    pattern = r"I(\d\d)_(0[1-9]|1\d|2[0-5])_0([1-5])\.png"
    _, others = _read_names(table, "dist_img", pattern, KADID_DISTORTIONS)
    return table.labels(
        table.texts("dist_img"),
        table.numbers("dmos"),
        KADID_SCALE,
        mos_std=table.numbers("var"),
        references=table.texts("ref_img"),
        others=others,
    )


KADID_10K = KnownDatabase(
    name="KADID-10k",
    images=10125,
    scale=KADID_SCALE,
    source="KADID-10k: database.mmsp-kn.de",
    licence="see the page; free for research",
    inner_folders=("images", ""),
    link_target="kadid10k",
    release_files=("dmos.csv",),
    release_folders=("", ".."),
    read_release=read_kadid,
    note="the column called dmos is higher for better images, the one called var holds standard deviations",
)


TID_SCALE = QualityScale(low=0, high=9)
TID_DISTORTIONS = (
    "additive gaussian noise", "additive noise in colour", "spatially correlated noise", "masked noise",
    "high frequency noise", "impulse noise", "quantisation noise", "gaussian blur", "image denoising", "jpeg",
    "jpeg2000", "jpeg transmission errors", "jpeg2000 transmission errors", "non-eccentricity pattern noise",
    "local block-wise distortions", "mean shift", "contrast change", "change of colour saturation",
    "multiplicative gaussian noise", "comfort noise", "lossy compression of noisy images",
    "colour quantisation with dither", "chromatic aberrations", "sparse sampling and reconstruction",
)  # fmt: skip
"""Distortions 1 to 24, in the order of their numbers in the image names."""


def read_tid2013(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read TID2013 (Ponomarenko et al., Signal Processing: Image Communication 2015): 25 references, 24 distortions.

    Layout of the release: ``mos_with_names.txt`` (a score and a name in each line), ``mos_std.txt`` (a standard
    deviation in each line, in the same order), ``distorted_images/`` (``I01_08_3.bmp``: reference 1, distortion 8,
    level 3 of 5), ``reference_images/``. The case of the letters differs between the text file and some of the images
    (`find_images` finds them).
    """
    table = read_words(path, ("mos", "image_name"), on_fault)
    deviations = read_words(path.with_name("mos_std.txt"), ("mos_std",), on_fault)
    if len(table) != len(deviations):
        raise DataError(
            f"{path} has {len(table)} scores, but {deviations.file.name} {len(deviations)} standard deviations. "
            "Copy the release again."
        )
    pattern = r"I(\d\d)_(0[1-9]|1\d|2[0-4])_([1-5])\.bmp"
    references, others = _read_names(table, "image_name", pattern, TID_DISTORTIONS)
    return table.labels(
        table.texts("image_name"),
        table.numbers("mos"),
        TID_SCALE,
        mos_std=deviations.numbers("mos_std"),
        references=[f"I{reference}" for reference in references],
        others=others,
    )


TID2013 = KnownDatabase(
    name="TID2013",
    images=3000,
    scale=TID_SCALE,
    source="TID2013: ponomarenko.info/tid2013.htm",
    licence="see the page; free for research",
    inner_folders=("distorted_images", ""),
    link_target="tid2013",
    release_files=("mos_with_names.txt",),
    release_folders=("", ".."),
    read_release=read_tid2013,
    note="the standard deviations are those of mos_std.txt, as they stand",
)


LIVE_NAME = "LIVE"
LIVE_WORST = 100.0
"""MOS is this minus the difference score; realigned difference scores may exceed it."""
LIVE_SCALE = _inverted(LIVE_WORST)
LIVE_FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
"""The folders of distorted images in the order of the scores, and how many images each has."""
LIVE_DISTORTIONS = {"jp2k": "jpeg2000", "jpeg": "jpeg", "wn": "white noise", "gblur": "gaussian blur",
                    "fastfading": "fast fading"}  # fmt: skip


def read_live(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read LIVE, release 2 (Sheikh, Sabir, Bovik, IEEE TIP 2006): 29 references, 779 distorted images.

    Layout of the release: the folders of `LIVE_FOLDERS` with ``img1.bmp`` and so on; ``refimgs``;
    ``dmos_realigned.mat`` (better scores) with dmos_new, dmos_std and orgs, ``dmos.mat`` with dmos and orgs,
    ``refnames_all.mat`` with refnames_all. Their 982 values stand in the order of the folders; where orgs is 1, the
    image is an undistorted copy, which is no part of the 779.

    Args:
        path: one of the two files of scores; ``refnames_all.mat`` is in the same folder.
        on_fault: what is done about faulty values.

    Returns:
        Labels of the distorted images, MOS = 100 - DMOS.
    """
    realigned = path.name == "dmos_realigned.mat"
    dmos = read_numbers(path, "dmos_new" if realigned else "dmos", LIVE_NAME)
    deviations = read_numbers(path, "dmos_std", LIVE_NAME) if realigned else None
    originals = read_numbers(path, "orgs", LIVE_NAME)
    references = read_texts(path.with_name("refnames_all.mat"), "refnames_all", LIVE_NAME)
    images = [(folder, number) for folder, count in LIVE_FOLDERS.items() for number in range(1, count + 1)]
    lengths = {len(dmos), len(originals), len(references), len(images if deviations is None else deviations)}
    if lengths != {len(images)}:
        raise DataError(
            f"{path.parent}: a release of {LIVE_NAME} has {len(images)} scores, marks of originals and reference "
            f"names; here are {', '.join(map(str, sorted(lengths)))}. Copy the release again."
        )
    kept = np.flatnonzero(originals == 0)
    mos = LIVE_WORST - dmos[kept]
    return Labels(
        file=path,
        names=tuple("{}/img{}.bmp".format(*images[row]) for row in kept),
        mos=mos,
        scale=replace(LIVE_SCALE, low=min(0.0, float(np.nanmin(mos))), high=max(LIVE_WORST, float(np.nanmax(mos)))),
        mos_std=None if deviations is None else deviations[kept],
        references=tuple(references[row] for row in kept),
        others={"distortion": tuple(LIVE_DISTORTIONS[images[row][0]] for row in kept)},
        on_fault=on_fault,
    )


LIVE = KnownDatabase(
    name=LIVE_NAME,
    images=779,
    scale=LIVE_SCALE,
    source="LIVE Image Quality Assessment Database, release 2: live.ece.utexas.edu/research/quality",
    licence="free to use, copy and distribute with the copyright notice of the University of Texas at Austin",
    inner_folders=("",),
    link_target="databaserelease2",
    release_files=("dmos_realigned.mat", "dmos.mat"),
    release_folders=("",),
    read_release=read_live,
    note="undistorted copies are left out",
)


CSIQ_WORST = 1.0
CSIQ_SCALE = _inverted(CSIQ_WORST)
CSIQ_COLUMNS = ("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")
CSIQ_DISTORTIONS = {
    "awgn": ("AWGN", "white noise"),
    "jpeg": ("JPEG", "jpeg"),
    "jpeg2000": ("jpeg2000", "jpeg2000"),
    "fnoise": ("fnoise", "pink noise"),
    "blur": ("BLUR", "gaussian blur"),
    "contrast": ("contrast", "contrast decrements"),
}
"""For each folder of distorted images the word in their names, and what it is."""
CSIQ_FOLDERS = {**{name: name for name in CSIQ_DISTORTIONS}, "noise": "awgn"}
"""The folder of each distortion, as dst_type (without blanks) and the names of images call it."""
CSIQ_LEVELS = tuple("12345")


def read_csiq(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read CSIQ (Larson, Chandler, Journal of Electronic Imaging 2010): 30 references, 6 distortions, 4 or 5 levels.

    Layout of the release: ``csiq.DMOS.xlsx``, whose sheet all_by_image has the columns of `CSIQ_COLUMNS` below some
    lines of text; ``dst_imgs/`` with a folder for each distortion (``awgn/1600.AWGN.1.png``); ``src_imgs/``. Two text
    files that are passed around instead are read, too: ``csiq_label.txt`` (name and DMOS in each line, no standard
    deviations) and ``csiq_dmos.txt`` (the columns of the sheet, separated by blanks).
    """
    if path.name == "csiq_label.txt":
        table = read_words(path, ("name", "dmos"), on_fault)
        rows = [tuple(name.split(".")[:3]) for name in table.texts("name")]
    else:
        if path.suffix.lower() == ".xlsx":
            table = read_workbook(path, CSIQ_COLUMNS, "all_by_image", on_fault)
        else:
            table = read_words(path, CSIQ_COLUMNS, on_fault)
        rows = list(zip(*map(table.texts, ("image", "dst_type", "dst_lev")), strict=True))
    images = _csiq_images(table, rows)
    return table.labels(
        [f"{folder}/{image}.{CSIQ_DISTORTIONS[folder][0]}.{level}.png" for image, folder, level in images],
        CSIQ_WORST - table.numbers("dmos"),
        CSIQ_SCALE,
        mos_std=table.known_numbers("dmos_std"),
        references=[image for image, _, _ in images],
        others={
            "distortion": [CSIQ_DISTORTIONS[folder][1] for _, folder, _ in images],
            "level": [level for _, _, level in images],
        },
    )


def _csiq_images(table: TextTable, rows: Sequence[tuple[str, ...]]) -> list[tuple[str, str, str]]:
    """Reference, folder and level of each row, from its reference, distortion and level as they are written."""
    images = []
    for number, row in enumerate(rows):
        image, kind, level = row if len(row) == 3 else ("", "", "")
        folder = CSIQ_FOLDERS.get(kind.lower().replace(" ", ""))
        if folder is None or level not in CSIQ_LEVELS or not image:
            raise DataError(f"{table.where(number)}: {row!r:.80} is no image, distortion and level of CSIQ.")
        images.append((image, folder, level))
    return images


CSIQ = KnownDatabase(
    name="CSIQ",
    images=866,
    scale=CSIQ_SCALE,
    source="CSIQ: s2.smu.edu/~eclarson/csiq.html",
    licence="see the page; free for research",
    inner_folders=("dst_imgs", ""),
    link_target="csiq",
    release_files=("csiq.DMOS.xlsx", "csiq_label.txt", "csiq_dmos.txt"),
    release_folders=("", ".."),
    read_release=read_csiq,
)
