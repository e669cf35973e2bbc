"""TID2013 (Ponomarenko et al., Signal Processing: Image Communication 2015): 25 references, 24 distortions, 5 levels.

Layout of the release: ``mos_with_names.txt`` (a score and a name in each line), ``mos_std.txt`` (a standard deviation
in each line, in the same order), ``distorted_images/`` (``I01_08_3.bmp``: reference 1, distortion 8, level 3),
``reference_images/``. The case of the letters differs between the text file and some of the images (`find_images`
finds them).
"""

from pathlib import Path

from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.data.databases.published.words import codes, named, read_words
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

SCALE = QualityScale(low=0, high=9)
IMAGES = "distorted_images"

DISTORTIONS = (
    "additive gaussian noise", "additive noise in colour", "spatially correlated noise", "masked noise",
    "high frequency noise", "impulse noise", "quantisation noise", "gaussian blur", "image denoising", "jpeg",
    "jpeg2000", "jpeg transmission errors", "jpeg2000 transmission errors", "non-eccentricity pattern noise",
    "local block-wise distortions", "mean shift", "contrast change", "change of colour saturation",
    "multiplicative gaussian noise", "comfort noise", "lossy compression of noisy images",
    "colour quantisation with dither", "chromatic aberrations", "sparse sampling and reconstruction",
)  # fmt: skip
"""Distortions 1 to 24, in the order of their numbers in the image names."""


def read_tid2013(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read ``mos_with_names.txt`` and ``mos_std.txt`` beside it.

    Raises:
        DataError: what is wrong, in which file and line.
    """
    table = read_words(path, ("mos", "image_name"), on_fault)
    deviations = read_words(path.with_name("mos_std.txt"), ("mos_std",), on_fault)
    if len(table) != len(deviations):
        raise DataError(
            f"{path} has {len(table)} scores, but {deviations.file.name} {len(deviations)} standard deviations. "
            "Copy the release again."
        )
    parts = codes(table, "image_name", r"i(\d\d)_(0[1-9]|1\d|2[0-4])_([1-5])\.bmp")
    return Labels(
        file=path,
        names=tuple(table.texts("image_name")),
        mos=table.numbers("mos"),
        scale=SCALE,
        mos_std=deviations.numbers("mos_std"),
        references=tuple(f"I{reference}" for reference, _, _ in parts),
        lines=table.lines,
        others={
            "distortion": named((number for _, number, _ in parts), DISTORTIONS),
            "level": tuple(level for _, _, level in parts),
        },
        on_fault=on_fault,
        nan_reported=True,
    )


TID2013 = KnownDatabase(
    name="TID2013",
    images=3000,
    scale=SCALE,
    source="TID2013: ponomarenko.info/tid2013.htm",
    licence="see the page; free for research",
    inner_folders=(IMAGES, ""),
    link_target="tid2013",
    release_files=("mos_with_names.txt",),
    release_folders=("", ".."),
    read_release=read_tid2013,
    note="the standard deviations are those of mos_std.txt, as they stand",
)
