"""Databases of photographs as they were taken: the facts of each, and the reader of its release."""

from pathlib import Path

import numpy as np

from linearityiqa.data.databases.csvfile import split_column
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.data.databases.published.release import KnownDatabase, read_numbers, read_texts, read_workbook
from linearityiqa.data.databases.texttable import read_text_table
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

MOS_PER_RATING = 27.82
"""Slope of KonIQ-10k's MOS (1..100) on the mean of the ratings (1..5); the published deviations are of ratings."""
KONIQ_SETS = "koniq10k_distributions_sets.csv"


def read_koniq(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read one of the two official files of KonIQ-10k (Hosu, Lin, Sziranyi, Saupe, IEEE TIP 2020).

    ``koniq10k_distributions_sets.csv`` (of the authors' repository) has image_name, c1..c5, c_total, MOS, SD, set.
    ``koniq10k_scores_and_distributions.csv`` (of the database's page) has no set, MOS is the mean rating in 1..5, and
    MOS_zscore is the other's MOS. MOS is in 1..100, the standard deviations are multiplied to fit that scale, and
    the official split is kept if the file has it.
    """
    table = read_text_table(path, ("image_name", "MOS", "MOS_zscore", "SD", "set"), on_fault)
    has_sets = "MOS_zscore" not in table
    return table.labels(
        table.texts("image_name"),
        table.numbers("MOS" if has_sets else "MOS_zscore"),
        KONIQ_10K.scale,
        mos_std=table.numbers("SD") * MOS_PER_RATING,
        splits=split_column(table, "set") if has_sets else None,
    )


KONIQ_10K = KnownDatabase(
    name="KonIQ-10k",
    images=10073,
    scale=QualityScale(low=1, high=100),
    source="KonIQ-10k: database.mmsp-kn.de",
    licence="photographs under the Creative Commons licences of their authors; for the scores see the page",
    inner_folders=("", "1024x768"),
    link_target="1024x768",
    release_files=(KONIQ_SETS, "koniq10k_scores_and_distributions.csv"),
    release_folders=("", "..", "1024x768"),
    read_release=read_koniq,
    note=f"the official split is in {KONIQ_SETS}; standard deviations are multiplied by {MOS_PER_RATING}",
    opinion_factor=MOS_PER_RATING,  # the authors' info.mat, too, has the deviations of ratings
    info_ratios=(7058 / 10073, 8058 / 10073),
)


TRAINING_EXAMPLES = 7
"""The first images of CLIVE's release trained the human observers; they are no part of the database."""


def read_clive(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read CLIVE, the LIVE In the Wild Challenge Database (Ghadiyaram, Bovik, IEEE TIP 2016), without its examples.

    Layout of the release: ``Data/`` with ``AllMOS_release.mat``, ``AllImages_release.mat`` and
    ``AllStdDev_release.mat``; ``Images/``. MOS and standard deviations are in 0..100.
    """
    names = read_texts(path.with_name("AllImages_release.mat"), "AllImages_release", "CLIVE")
    mos = read_numbers(path, "AllMOS_release", "CLIVE")
    mos_std = read_numbers(path.with_name("AllStdDev_release.mat"), "AllStdDev_release", "CLIVE")
    if not len(names) == len(mos) == len(mos_std):
        raise DataError(
            f"{path.parent}: {len(names)} image names, {len(mos)} scores and {len(mos_std)} standard deviations do not "
            "belong together. Copy the release again."
        )
    kept = slice(TRAINING_EXAMPLES, None)
    return Labels(
        file=path, names=names[kept], mos=mos[kept], scale=CLIVE.scale, mos_std=mos_std[kept], on_fault=on_fault
    )


CLIVE = KnownDatabase(
    name="CLIVE",
    images=1162,
    scale=QualityScale(low=0, high=100),
    source="LIVE In the Wild Image Quality Challenge Database: live.ece.utexas.edu/research/ChallengeDB",
    licence="free to use, copy and distribute with the copyright notice of the University of Texas at Austin",
    inner_folders=("", "Images"),
    link_target="ChallengeDB_release/Images",
    release_files=("AllMOS_release.mat",),
    release_folders=("Data", "../Data"),
    read_release=read_clive,
    common_size=(500, 500),
)


def read_biq2021(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read both files of the official split of BIQ2021 (Ahmed, Asif, Journal of Electronic Imaging 2022).

    Layout of the release: ``Train (Images and MOS).csv`` and ``Test (Images and MOS).csv`` with Image Name and MOS (the
    columns after them are empty), ``Images/`` (``ss01 (1).jpg``; one file ends in ``.JPG``, unlike its row). An earlier
    state of it has the same columns in ``Train.csv`` and ``Test.csv``. `path` is the file of the training set.
    """
    files = (path, path.with_name(path.name.replace("Train", "Test", 1)))
    train, test = (read_text_table(file, ("Image Name", "MOS"), on_fault) for file in files)
    rows = np.arange(len(train) + len(test))
    return Labels(
        file=path.parent,  # of two files, so that rows are counted through
        names=(*train.texts("Image Name"), *test.texts("Image Name")),
        mos=np.concatenate([train.numbers("MOS"), test.numbers("MOS")]),
        scale=BIQ2021.scale,
        splits={"train": rows[: len(train)], "val": rows[:0], "test": rows[len(train) :]},
        on_fault=on_fault,
        nan_reported=True,
    )


BIQ2021 = KnownDatabase(
    name="BIQ2021",
    images=12000,
    scale=QualityScale(low=0, high=1),
    source="BIQ2021: github.com/nisarahmedrana/BIQ2021",
    licence="none stated: ask its authors",
    inner_folders=("Images", ""),
    link_target="BIQ2021",
    release_files=("Train (Images and MOS).csv", "Train.csv"),
    release_folders=("", ".."),
    read_release=read_biq2021,
    note="no standard deviations; the official split has no validation set (datasets split --val cuts one)",
)


SPAQ_ATTRIBUTES = ("Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness")


def read_spaq(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read SPAQ (Fang, Zhu, Zeng, Ma, Wang, CVPR 2020); its attributes are kept, too.

    Layout of the release: ``Annotations/MOS and Image attribute scores.xlsx``, whose first sheet has Image name, MOS
    and the attributes, and ``TestImage/`` (``00001.jpg``). That sheet saved as CSV is read, too.
    """
    columns = ("Image name", "MOS", *SPAQ_ATTRIBUTES)
    read_as_csv = path.suffix.lower() == ".csv"
    table = read_text_table(path, columns, on_fault) if read_as_csv else read_workbook(path, columns, None, on_fault)
    return table.labels(
        table.texts("Image name"),
        table.numbers("MOS"),
        SPAQ.scale,
        others={name.lower(): table.texts(name) for name in SPAQ_ATTRIBUTES if name in table},
    )


SPAQ = KnownDatabase(
    name="SPAQ",
    images=11125,
    scale=QualityScale(low=0, high=100),
    source="SPAQ: github.com/h4nwei/SPAQ",
    licence="for research and education, with the notice of its authors",
    inner_folders=("TestImage", ""),
    link_target="SPAQ",
    release_files=("MOS and Image attribute scores.xlsx", "MOS and Image attribute scores.csv"),
    release_folders=("Annotations", "", "../Annotations", ".."),
    read_release=read_spaq,
    note="no standard deviations and no official split",
)
