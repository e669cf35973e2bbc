"""Small generated copies of databases as they are released: ``from releases import make_kadid``.

Each function fills a folder as the release's archive does, with a few images, and returns the label file.
"""

import csv
from pathlib import Path

import numpy as np
import openpyxl
import scipy.io

from layouts import make_photo

SIZE = (16, 20)


def make_kadid(folder: Path) -> Path:
    """KADID-10k: 2 references, distortions 1 and 25, 5 levels each; references lie among the images."""
    names = [f"I{ref:02d}_{kind:02d}_{level:02d}.png" for ref in (1, 2) for kind in (1, 25) for level in range(1, 6)]
    for name in (*names, "I01.png", "I02.png"):
        make_photo(folder / "images" / name, 0.2, len(name), SIZE)
    with (folder / "dmos.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["dist_img", "ref_img", "dmos", "var"])
        for row, name in enumerate(names):
            writer.writerow([name, f"{name[:3]}.png", f"{4.8 - 0.15 * row:.2f}", "0.496"])
    return folder / "dmos.csv"


def make_tid(folder: Path) -> Path:
    """TID2013: references 1 and 25, distortions 1 and 24, 5 levels; the case of some names differs on disk."""
    names = [f"{ref}_{kind:02d}_{level}.bmp" for ref in ("I01", "i25") for kind in (1, 24) for level in range(1, 6)]
    for number, name in enumerate(names):
        on_disk = name.upper() if number == 3 else name
        make_photo(folder / "distorted_images" / on_disk, 0.2, number, SIZE)
    (folder / "reference_images").mkdir()
    scores = [5.9 - 0.2 * row for row in range(len(names))]
    lines = [f"{mos:.5f} {name}" for mos, name in zip(scores, names, strict=True)]
    (folder / "mos_with_names.txt").write_bytes("\r\n".join(lines).encode() + b"\r\n")
    (folder / "mos_std.txt").write_text("".join(f"{0.1 + 0.01 * row:.5f}\n" for row in range(len(names))))
    return folder / "mos_with_names.txt"


def make_spaq(folder: Path) -> Path:
    """SPAQ: a workbook of scores and attributes, images in TestImage."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Image name", "MOS", "Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness"])
    for number in range(1, 7):
        name = f"{number:05d}.jpg"
        make_photo(folder / "TestImage" / name, 0.2, number, SIZE)
        sheet.append([name, 10.5 * number, 50, 51.5, 52, 53, 54])
    path = folder / "Annotations" / "MOS and Image attribute scores.xlsx"
    path.parent.mkdir()
    book.save(path)
    return path


def make_live(folder: Path) -> Path:
    """LIVE release 2, all 982 scores; the image files are empty, because only their being there matters."""
    counts = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
    total = sum(counts.values())
    for kind, count in counts.items():
        (folder / kind).mkdir(parents=True)
        for number in range(1, count + 1):
            (folder / kind / f"img{number}.bmp").touch()
    originals = np.zeros(total)
    originals[::5] = 1
    dmos = np.where(originals, 0, np.linspace(3, 111.5, total))
    references = np.empty((1, total), dtype=object)
    references[0] = [np.array([f"scene{row % 29}.bmp"]) for row in range(total)]
    scipy.io.savemat(folder / "dmos.mat", {"dmos": 0.9 * dmos[None], "orgs": originals[None]})
    realigned = {"dmos_new": dmos[None], "dmos_std": np.full((1, total), 4.5), "orgs": originals[None].astype(bool)}
    scipy.io.savemat(folder / "dmos_realigned.mat", realigned)
    scipy.io.savemat(folder / "refnames_all.mat", {"refnames_all": references})
    return folder / "dmos_realigned.mat"


CSIQ_ROWS = [
    (1600, 1, "noise", 1, 0.061, 0.062, "awgn/1600.AWGN.1.png"),
    (1600, 2, "jpeg", 5, 0.1, 0.9, "jpeg/1600.JPEG.5.png"),
    (1600, 3, "jpeg 2000", 2, 0.09, 0.3, "jpeg2000/1600.jpeg2000.2.png"),
    ("aerial_city", 4, "fnoise", 3, 0.02, 0.4, "fnoise/aerial_city.fnoise.3.png"),
    ("aerial_city", 5, "blur", 4, 0.03, 0.5, "blur/aerial_city.BLUR.4.png"),
    ("aerial_city", 6, "contrast", 1, 0.04, 0.1, "contrast/aerial_city.contrast.1.png"),
]
"""image, dst_idx, dst_type, dst_lev, dmos_std, dmos, and the image's file."""


def make_csiq(folder: Path) -> Path:
    """CSIQ: a workbook of several sheets, with lines of text above and empty columns before the table."""
    book = openpyxl.Workbook()
    book.active.title = "read me"
    sheet = book.create_sheet("all_by_image")
    sheet["A1"] = "Categorical image quality database"
    sheet["D4"], sheet["E4"], sheet["F4"], sheet["G4"], sheet["H4"], sheet["I4"] = (
        "image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos",
    )  # fmt: skip
    for row, values in enumerate(CSIQ_ROWS, start=5):
        for column, value in enumerate(values[:6], start=4):
            sheet.cell(row, column, value)
        make_photo(folder / "dst_imgs" / values[6], 0.2, row, SIZE)
    book.save(folder / "csiq.DMOS.xlsx")
    return folder / "csiq.DMOS.xlsx"


def make_biq(folder: Path) -> Path:
    """BIQ2021: a training and a test file, each with two empty columns, and Images/."""
    for part, numbers in (("Train", range(1, 9)), ("Test", range(9, 13))):
        lines = ["Image Name,MOS,,"]
        for number in numbers:
            make_photo(folder / "Images" / f"ss01 ({number}).jpg", 0.2, number, SIZE)
            lines.append(f"ss01 ({number}).jpg,0.{number:04d},,")
        (folder / f"{part} (Images and MOS).csv").write_text("\n".join(lines) + "\n")
    return folder / "Train (Images and MOS).csv"
