"""BIQ2021 (Ahmed, Asif, Journal of Electronic Imaging 2022): 12,000 photographs, 30 observers.

Layout of the release: ``Train (Images and MOS).csv`` and ``Test (Images and MOS).csv`` with Image Name and MOS (the
columns after them are empty), ``Images/`` (``ss01 (1).jpg``; one file ends in ``.JPG``, unlike its row). An earlier
state of it has the same columns in ``Train.csv`` and ``Test.csv``.
"""

from pathlib import Path

import numpy as np

from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.data.databases.texttable import read_text_table
from linearityiqa.quality import QualityScale

SCALE = QualityScale(low=0, high=1)


def read_biq2021(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read both files of the official split.

    Args:
        path: the file of the training set; that of the test set lies beside it.
        on_fault: what is done about faulty rows and values.

    Raises:
        DataError: what is wrong, in which file, column and line.
    """
    files = (path, path.with_name(path.name.replace("Train", "Test", 1)))
    train, test = (read_text_table(file, ("Image Name", "MOS"), on_fault) for file in files)
    count = len(train) + len(test)
    return Labels(
        file=path.parent,  # of two files, so that rows are counted through
        names=(*train.texts("Image Name"), *test.texts("Image Name")),
        mos=np.concatenate([train.numbers("MOS"), test.numbers("MOS")]),
        scale=SCALE,
        splits={
            "train": np.arange(len(train)),
            "val": np.arange(0),
            "test": np.arange(len(train), count),
        },
        on_fault=on_fault,
        nan_reported=True,
    )


BIQ2021 = KnownDatabase(
    name="BIQ2021",
    images=12000,
    scale=SCALE,
    source="BIQ2021: github.com/nisarahmedrana/BIQ2021",
    licence="none stated: ask its authors",
    inner_folders=("Images", ""),
    link_target="BIQ2021",
    release_files=("Train (Images and MOS).csv", "Train.csv"),
    release_folders=("", ".."),
    read_release=read_biq2021,
    note="no standard deviations; the official split has no validation set (datasets split --val cuts one)",
)
