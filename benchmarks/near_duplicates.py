"""Time `datasets check` on many photographs: python benchmarks/near_duplicates.py PHOTOS.csv [--count 10000].

Every photograph of the CSV database is cut into quarters, each a picture of its own, saved as a JPEG of 1024 x 768
pixels (the size of KonIQ-10k's images) into a temporary folder; copies of a few are planted: recompressed, halved,
cropped, brightened, mirrored. Printed are the seconds of making them, then those of the audit, how many of the planted
copies were found, and the groups of like pictures in all, because the photographs have some themselves.
"""

import argparse
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from linearityiqa.config import CheckConfig, DataConfig
from linearityiqa.data.checks import audit
from linearityiqa.data.databases.opening import open_database

SIZE = (1024, 768)
PLANTED = 10
CHANGES = {
    "recompressed": lambda image: image,
    "half": lambda image: image.resize((SIZE[0] // 2, SIZE[1] // 2)),
    "cropped": lambda image: image.crop((30, 20, 1000, 750)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "mirrored": ImageOps.mirror,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--num_workers", type=int)
    options = parser.parse_args()
    table = open_database(DataConfig(dataset=options.photos), seed=0).table
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        planted = make(Path(folder), [table.path(row) for row in range(len(table))], options.count)
        print(f"made in {time.perf_counter() - start:.0f} s")
        config = CheckConfig(data=DataConfig(dataset=f"{folder}/labels.csv"), num_workers=options.num_workers)
        before = time.process_time()
        report = audit(config)
        groups = [set(f.images) for f in report.findings if f.kind in ("near-duplicates", "identical-pixels")]
        found = sum(any(pair <= group for group in groups) for pair in planted)
        used = time.process_time() - before
        print(f"{report.images} images checked in {report.seconds:.1f} s of wall clock")
        print(f"{used:.1f} s of processor time in this process: all of the work with --num_workers 0")
        print(f"{found} of {len(planted)} planted copies found; {len(groups)} groups in all")


def make(folder: Path, photos: list[Path], count: int) -> list[set[str]]:
    """Write the pictures, the copies and labels.csv; the names of each copied picture and its copy."""
    names, planted = [], []
    for number in range(count):
        photo, quarter = photos[number // 4 % len(photos)], number % 4
        with Image.open(photo) as image:
            width, height = image.width // 2, image.height // 2
            left, top = width * (quarter % 2), height * (quarter // 2)
            part = image.convert("RGB").crop((left, top, left + width, top + height)).resize(SIZE)
        names.append(f"{number:06d}.jpg")
        part.save(folder / names[-1], quality=90)
        if number % (count // PLANTED) == 0:
            for change, function in CHANGES.items():
                copy = f"{number:06d} {change}.jpg"
                function(part).save(folder / copy, quality=60)
                planted.append({names[-1], copy})
    names += sorted(copy for pair in planted for copy in pair if " " in copy)
    rows = (f"{name},{number % 89},{'test' if number % 5 == 0 else 'train'}" for number, name in enumerate(names))
    (folder / "labels.csv").write_text("\n".join(["image_name,mos,split", *rows]))
    return planted


if __name__ == "__main__":
    main()
