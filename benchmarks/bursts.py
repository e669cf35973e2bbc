"""Measure how long the groups of `score --bursts` take to find, once all photographs are scored.

    python benchmarks/bursts.py biq2021/images

Each photograph is three frames of a burst, cropped as a hand moves. They are grouped with times an hour apart for each
burst, and by likeness alone.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from linearityiqa.data.checks.neardup import thumbnail
from linearityiqa.scoring import ImageScore
from linearityiqa.scoring.bursts import Bursts
from linearityiqa.scoring.inputs import expand
from linearityiqa.scoring.pictures import Look

FRAMES = 3


def frames(path: Path) -> Iterator[bytes]:
    """Yield the small pictures of the frames of a burst."""
    with Image.open(path) as opened:
        opened.draft("RGB", (256, 256))
        image = opened.convert("RGB")
    width, height = image.size
    for left in range(FRAMES):
        box = (left * width // 60, left * height // 80, width - (FRAMES - 1 - left) * width // 60, height)
        yield thumbnail(image.crop(box)).tobytes()


def main(folder: str) -> None:
    """Print the processor time of grouping, and how many bursts are found as they were made."""
    looks = [
        (burst, frame, picture)
        for burst, path in enumerate(expand([folder]))
        for frame, picture in enumerate(frames(path))
    ]
    for dated in (True, False):
        bursts = Bursts()
        start = time.process_time()
        for burst, frame, picture in looks:
            taken = 3600.0 * burst + frame if dated else None
            bursts.add(ImageScore(f"{burst}/{frame}", score=0.0), Look(picture, taken))
        places = bursts.places()
        seconds = time.process_time() - start
        whole = sum(place.rank == 1 and place.size == FRAMES for place in places.values())
        how = "with times" if dated else "by likeness alone"
        print(f"{len(looks)} photographs {how}: {seconds:.1f} s of processor, {whole} bursts of {FRAMES}", flush=True)
        bursts.close()


if __name__ == "__main__":
    main(sys.argv[1])
