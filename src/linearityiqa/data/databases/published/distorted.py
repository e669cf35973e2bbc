"""Databases of artificially distorted images: the facts of each, and the reader of its release."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from linearityiqa.data.databases.labels import Fault, Labels, OnFault, refuse
from linearityiqa.data.databases.published.release import KnownDatabase, read_numbers, read_texts, read_workbook
from linearityiqa.data.databases.texttable import TextTable, read_text_table, read_words
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale


def _inverted(worst: float) -> QualityScale:
    """Return the scale of MOS = worst - DMOS."""
    return QualityScale(low=0, high=worst, note=f"difference scores (DMOS) inverted as {worst:g} - DMOS")


def _read_names(
    table: TextTable, names: Iterable[str], pattern: str, distortions: Mapping[str, str]
) -> tuple[list[tuple[str, str, str]], dict[str, list[str]]]:
    """Return reference, distortion and level of each image, and the last two in words by their column.

    All are empty for a name of another form, if faults are collected.

    Args:
        table: the labels.
        names: the image names.
        pattern: its three groups are the reference, the distortion and the level; case does not matter.
        distortions: words for each distortion by its code, in lower case.
    """
    found: list[tuple[str, str, str]] = []
    for row, name in enumerate(names):
        match = re.fullmatch(pattern, name, re.IGNORECASE)
        if match is None:
            message = f"{table.where(row)}: {name[:80]!r} is no image name of this database. Copy the file again."
            table.on_fault(Fault("name", message, (name,)))
        reference, code, level = match.groups() if match else ("", "", "")
        found.append((reference, code.lower(), level))
    words = [distortions.get(code, "") for _, code, _ in found]
    return found, {"distortion": words, "level": [level for _, _, level in found]}


def _by_number(*distortions: str) -> dict[str, str]:
    """Return distortions by their two-digit numbers in image names, from 01."""
    return {f"{number:02d}": words for number, words in enumerate(distortions, start=1)}


KADID_DISTORTIONS = _by_number(
    "gaussian blur", "lens blur", "motion blur", "colour diffusion", "colour shift", "colour quantisation",
    "colour saturation 1", "colour saturation 2", "jpeg2000", "jpeg", "white noise", "white noise in colour",
    "impulse noise", "multiplicative noise", "denoise", "brighten", "darken", "mean shift", "jitter",
    "non-eccentricity patch", "pixelate", "quantisation", "colour block", "high sharpen", "contrast change",
)  # fmt: skip


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
    _, others = _read_names(table, table.texts("dist_img"), pattern, KADID_DISTORTIONS)
    return table.labels(
        table.texts("dist_img"),
        table.numbers("dmos"),
        KADID_10K.scale,
        mos_std=table.numbers("var"),
        references=table.texts("ref_img"),
        others=others,
    )


KADID_10K = KnownDatabase(
    name="KADID-10k",
    images=10125,
    scale=QualityScale(low=1, high=5),
    source="KADID-10k: database.mmsp-kn.de",
    licence="see the page; free for research",
    inner_folders=("images", ""),
    link_target="kadid10k",
    release_files=("dmos.csv",),
    release_folders=("", ".."),
    read_release=read_kadid,
    note="the column called dmos is higher for better images, the one called var holds standard deviations",
)


TID_DISTORTIONS = _by_number(
    "additive gaussian noise", "additive noise in colour", "spatially correlated noise", "masked noise",
    "high frequency noise", "impulse noise", "quantisation noise", "gaussian blur", "image denoising", "jpeg",
    "jpeg2000", "jpeg transmission errors", "jpeg2000 transmission errors", "non-eccentricity pattern noise",
    "local block-wise distortions", "mean shift", "contrast change", "change of colour saturation",
    "multiplicative gaussian noise", "comfort noise", "lossy compression of noisy images",
    "colour quantisation with dither", "chromatic aberrations", "sparse sampling and reconstruction",
)  # fmt: skip


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
    images, others = _read_names(table, table.texts("image_name"), pattern, TID_DISTORTIONS)
    return table.labels(
        table.texts("image_name"),
        table.numbers("mos"),
        TID2013.scale,
        mos_std=deviations.numbers("mos_std"),
        references=[f"I{reference}" for reference, _, _ in images],
        others=others,
    )


TID2013 = KnownDatabase(
    name="TID2013",
    images=3000,
    scale=QualityScale(low=0, high=9),
    source="TID2013: ponomarenko.info/tid2013.htm",
    licence="see the page; free for research",
    inner_folders=("distorted_images", ""),
    link_target="tid2013",
    release_files=("mos_with_names.txt",),
    release_folders=("", ".."),
    read_release=read_tid2013,
    note="the standard deviations are those of mos_std.txt, unchanged",
)


LIVE_FOLDERS = {
    "jp2k": (227, "jpeg2000"),
    "jpeg": (233, "jpeg"),
    "wn": (174, "white noise"),
    "gblur": (174, "gaussian blur"),
    "fastfading": (174, "fast fading"),
}
"""The folders in the order of the scores, with the number of images and the distortion of each."""


def read_live(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read LIVE, release 2 (Sheikh, Sabir, Bovik, IEEE TIP 2006): 29 references, 779 distorted images.

    Layout of the release: the folders of `LIVE_FOLDERS` with ``img1.bmp`` and so on; ``refimgs``;
    ``dmos_realigned.mat`` (better scores) with dmos_new, dmos_std and orgs, ``dmos.mat`` with dmos and orgs,
    ``refnames_all.mat`` with refnames_all. Their 982 values are in the order of the folders; where orgs is 1, the
    image is an undistorted copy, which is no part of the 779. MOS = 100 - DMOS.
    """
    realigned = path.name == "dmos_realigned.mat"
    dmos = read_numbers(path, "dmos_new" if realigned else "dmos", "LIVE")
    deviations = read_numbers(path, "dmos_std", "LIVE") if realigned else None
    originals = read_numbers(path, "orgs", "LIVE")
    references = read_texts(path.with_name("refnames_all.mat"), "refnames_all", "LIVE")
    images = [
        (f"{folder}/img{number}.bmp", distortion)
        for folder, (count, distortion) in LIVE_FOLDERS.items()
        for number in range(1, count + 1)
    ]
    lengths = {len(dmos), len(originals), len(references), len(images if deviations is None else deviations)}
    if lengths != {len(images)}:
        raise DataError(
            f"{path.parent}: a release of LIVE has {len(images)} scores, marks of originals and reference "
            f"names; here are {', '.join(map(str, sorted(lengths)))}. Copy the release again."
        )
    kept = np.flatnonzero(originals == 0)
    mos = LIVE.scale.high - dmos[kept]
    low, high = float(np.nanmin(mos)), float(np.nanmax(mos))  # realigned difference scores may exceed 100
    return Labels(
        file=path,
        names=tuple(images[row][0] for row in kept),
        mos=mos,
        scale=replace(LIVE.scale, low=min(LIVE.scale.low, low), high=max(LIVE.scale.high, high)),
        mos_std=None if deviations is None else deviations[kept],
        references=tuple(references[row] for row in kept),
        others={"distortion": tuple(images[row][1] for row in kept)},
        on_fault=on_fault,
    )


LIVE = KnownDatabase(
    name="LIVE",
    images=779,
    scale=_inverted(100),
    source="LIVE Image Quality Assessment Database, release 2: live.ece.utexas.edu/research/quality",
    licence="free to use, copy and distribute with the copyright notice of the University of Texas at Austin",
    inner_folders=("",),
    link_target="databaserelease2",
    release_files=("dmos_realigned.mat", "dmos.mat"),
    release_folders=("",),
    read_release=read_live,
    note="undistorted copies are left out",
)


CSIQ_COLUMNS = ("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")
CSIQ_DISTORTIONS = {
    "awgn": "white noise",
    "jpeg": "jpeg",
    "jpeg2000": "jpeg2000",
    "fnoise": "pink noise",
    "blur": "gaussian blur",
    "contrast": "contrast decrements",
}
"""For each folder of distorted images its distortion."""
CSIQ_SPELLINGS = {"awgn": "AWGN", "jpeg": "JPEG", "blur": "BLUR"}
"""Distortions that image names spell otherwise than folders do."""
CSIQ_KINDS = {"noise": "awgn", "jpeg 2000": "jpeg2000"}
"""Distortions that dst_type calls by another name than that of the folder."""


def read_csiq(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read CSIQ (Larson, Chandler, Journal of Electronic Imaging 2010): 30 references, 6 distortions, 4 or 5 levels.

    Layout of the release: ``csiq.DMOS.xlsx``, whose sheet all_by_image has the columns of `CSIQ_COLUMNS` below some
    lines of text; ``dst_imgs/`` with a folder for each distortion (``awgn/1600.AWGN.1.png``); ``src_imgs/``. Two text
    files that are passed around instead are read, too: ``csiq_label.txt`` (name and DMOS in each line, no standard
    deviations) and ``csiq_dmos.txt`` (the columns of the sheet, separated by blanks).
    """
    if path.name == "csiq_label.txt":
        table = read_words(path, ("name", "dmos"), on_fault)
        names = table.texts("name")
    else:
        if path.suffix.lower() == ".xlsx":
            table = read_workbook(path, CSIQ_COLUMNS, "all_by_image", on_fault)
        else:
            table = read_words(path, CSIQ_COLUMNS, on_fault)
        kinds = (CSIQ_KINDS.get(kind.lower(), kind) for kind in table.texts("dst_type"))
        names = list(map(".".join, zip(table.texts("image"), kinds, table.texts("dst_lev"), strict=True)))
    pattern = rf"(.+?)\.({'|'.join(CSIQ_DISTORTIONS)})\.([1-5])(?:\..*)?"
    images, others = _read_names(table, names, pattern, CSIQ_DISTORTIONS)
    return table.labels(
        [
            f"{kind}/{image}.{CSIQ_SPELLINGS.get(kind, kind)}.{level}.png" if kind else name
            for name, (image, kind, level) in zip(names, images, strict=True)
        ],
        CSIQ.scale.high - table.numbers("dmos"),
        CSIQ.scale,
        mos_std=table.known_numbers("dmos_std"),
        references=[image for image, _, _ in images],
        others=others,
    )


CSIQ = KnownDatabase(
    name="CSIQ",
    images=866,
    scale=_inverted(1),
    source="CSIQ: s2.smu.edu/~eclarson/csiq.html",
    licence="see the page; free for research",
    inner_folders=("dst_imgs", ""),
    link_target="csiq",
    release_files=("csiq.DMOS.xlsx", "csiq_label.txt", "csiq_dmos.txt"),
    release_folders=("", ".."),
    read_release=read_csiq,
)
