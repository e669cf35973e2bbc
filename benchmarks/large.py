"""Measure scoring of large photographs: the time of each part of the work, and whole commands with their memory.

    python benchmarks/large.py biq2021/images [--sections parts runs]

Photographs of the folder are enlarged, get grain (without it they would decode too fast), and are saved as phones do;
they stay in --folder. "Whole" is without decoding at a reduced scale. Peak memory counts from the second call on: a
process inherits that of the one which has just made the photographs.
"""

import argparse
import csv
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pillow_heif
from measuring import machine
from PIL import AvifImagePlugin, Image, ImageChops

from linearityiqa.hub import bundled_model
from linearityiqa.images import ImageTransform, opened, to_rgb
from linearityiqa.reporting import Table
from linearityiqa.scores import open_output
from linearityiqa.scores.provenance import provenance_of
from linearityiqa.scoring import Details, columns, expand
from linearityiqa.scoring.inference import Inference
from linearityiqa.scoring.prepared import PreprocessedImage
from linearityiqa.scoring.runtime import open_runtime

SIZES = {"0.8": (1024, 768), "1": (1168, 876), "12": (4032, 3024), "48": (8064, 6048)}
LARGEST = {"108": (12000, 9000), "200": (16320, 12240)}
PARTS = (("1", "jpg"), ("12", "jpg"), ("48", "jpg"), ("12", "heic"), ("12", "avif"))
DISTINCT = {"jpg": 10, "heic": 1, "avif": 4}  # different files of a size; others are links to them
SAVING = {"jpg": {"quality": 92}, "heic": {"quality": 75}, "avif": {"speed": 10}}
WHOLE = ["--resize", "-rs_h", "448", "-rs_w", "448", "--resize_mode", "fit"]


def photographs(folder: Path, images: Path, size: str, suffix: str, count: int) -> list[Path]:
    """Files of a size, made where they are not there yet."""
    sources = sorted(expand([images]))
    width, height = (SIZES | LARGEST)[size]
    files = [folder / f"{size}-{suffix}" / f"{number:03d}.{suffix}" for number in range(count)]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        first = files[number % DISTINCT[suffix]]
        if not first.exists():
            with Image.open(sources[number * len(sources) // DISTINCT[suffix]]) as source:
                cut = source.convert("RGB").crop((0, 0, source.width, source.width * 3 // 4))
            tile = (128 + 6 * np.random.default_rng(number).standard_normal((1024, 1024, 3))).clip(0, 255)
            tiles = np.tile(tile.astype(np.uint8), (-(-height // 1024), -(-width // 1024), 1))
            enlarged = cut.resize((width, height), Image.Resampling.BICUBIC)
            ImageChops.add(enlarged, Image.fromarray(tiles[:height, :width]), 1, -128).save(first, **SAVING[suffix])
        if not file.exists():
            os.link(first, file)
    return files


def parts_table(options: argparse.Namespace) -> Table:
    """Milliseconds of processor time of each part; rows are also shown as they come."""
    runtime = open_runtime(bundled_model(), device="cpu", num_threads=1)
    score = Inference(runtime, runtime.record).of_batches(Details())
    provenance = provenance_of(bundled_model(), runtime.record, columns(), max_pixels=10**8)
    transform, table = ImageTransform.of(runtime.record.config.transform), []
    for (size, suffix), threads, reduced in itertools.product(PARTS, (1, 0), (True, False)):
        if suffix == "jpg" and not threads:
            continue  # libjpeg has one
        AvifImagePlugin.DEFAULT_MAX_THREADS = threads
        pillow_heif.options.DECODE_THREADS = threads or 4
        way, times = replace(transform, reduced=reduced), []
        with open_output(options.folder / "parts.csv", provenance, fresh=True) as rows:
            files = photographs(options.folder, options.images, size, suffix, DISTINCT[suffix])
            for number, file in enumerate(files * options.rounds):
                clock, begin = [time.process_time()], time.perf_counter()
                with opened(file, enough=way.enough) as (undecoded, _):
                    image, notes, native = to_rgb(undecoded, colour_profile=True, enough=way.enough)
                wall = time.perf_counter() - begin
                clock.append(time.process_time())
                pixels = way.pixels(image, native)
                clock.append(time.process_time())
                ((_, result),) = score([(0, PreprocessedImage(f"{number}", pixels, notes, native))])
                clock.append(time.process_time())
                rows.write(result.as_dict())
                times.append([wall, *(b - a for a, b in itertools.pairwise([*clock, time.process_time()]))])
        wall, *parts = (1000 * np.median(times, axis=0)).round(1)
        words = ("reduced" if reduced else "whole", "1" if threads else "default", f"{wall:.0f}")
        table.append([size, suffix, *words, *map(str, parts), f"{sum(parts):.0f}"])
        print(*table[-1], file=sys.stderr, flush=True)
    names = ["megapixels", "format", "decoded", "threads", "decoded after", "decode", "resize", "network", "row", "sum"]
    return Table("Median milliseconds of a photograph: until it is decoded, and processor time", names, table)


def runs_table(options: argparse.Namespace) -> Table:
    """Whole commands that take turns, their start included; of the largest sizes one file, with the default options."""
    counts = dict.fromkeys(("0.8", "12", "48"), 40) | dict.fromkeys(LARGEST, 1)
    arms = [(size, whole) for size in counts for whole in (False, True) if not whole or size not in LARGEST]
    found, rows, output = {arm: [] for arm in arms}, [], options.folder / "scores.csv"
    for size, whole in arms * options.rounds:
        files = photographs(options.folder, options.images, size, "jpg", counts[size])
        command = [sys.executable, "-m", "linearityiqa", "score", "--output", output, "--fresh", *WHOLE * whole, *files]
        start = time.perf_counter()
        _, _, usage = os.wait4(subprocess.Popen(command, stderr=subprocess.DEVNULL).pid, 0)
        seconds, processor = time.perf_counter() - start, 1000 * (usage.ru_utime + usage.ru_stime) / len(files)
        scored = sum(bool(row["score"]) for row in csv.DictReader(output.open()))
        found[size, whole].append((len(files) / seconds, processor, usage.ru_maxrss / 1000, scored))
    for (size, whole), measured in found.items():
        rates, processor, memory, scored = zip(*measured, strict=True)
        figures = (max(rates), statistics.median(processor), min(processor), max(memory), min(scored))
        rows.append([size, counts[size], "whole" if whole else "reduced", *(f"{figure:.4g}" for figure in figures)])
    names = ["megapixels", "files", "decoded", "images/s, best", "ms of processor, median", "least", "MB", "scored"]
    return Table(f"Files to CSV, {options.rounds} round(s); peak of resident memory", names, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--sections", nargs="+", choices=("parts", "runs"), default=("parts", "runs"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "linearityiqa-bench-large")
    options = parser.parse_args()
    pillow_heif.register_heif_opener()
    print(machine(), "\n")
    for section in options.sections:
        print((parts_table if section == "parts" else runs_table)(options).to_markdown(), flush=True)
