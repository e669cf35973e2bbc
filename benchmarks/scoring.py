"""Scoring speed from files to CSV, against a loop that opens, resizes and infers one image at a time.

    python benchmarks/scoring.py --models model.safetensors model.onnx model-int8.onnx
    python benchmarks/scoring.py --models ... --images biq2021/images --count 600    # real photographs: agreement

The loop is eager float32 torch with the .safetensors among the models (without --models: resnet18 of random weights
at 498 x 664). All arms take turns in one process. Sections: speed (images/s, ratios, and how far scores are from
the loop's), memory (peak anonymous memory of `linearityiqa score` by the number of images), start (seconds from the
start of the process to the first score).
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measuring import anonymous_mb, machine, memory_given_back, take_turns
from photographs import make_photographs
from PIL import Image
from torchvision.transforms.functional import normalize, to_tensor

from linearityiqa.config import ModelConfig, TrainConfig, TransformConfig
from linearityiqa.images import IMAGENET
from linearityiqa.machine import keep_freed_memory
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import srocc
from linearityiqa.models import LinearityIQA, open_model, save_model
from linearityiqa.quality import QualityScale, QualityScores
from linearityiqa.record import ModelRecord
from linearityiqa.reporting import Table
from linearityiqa.scores import open_output
from linearityiqa.scores.provenance import provenance_of
from linearityiqa.scoring import Scorer, columns, expand

SECTIONS = ("speed", "memory", "start")
LOOP = "loop: eager float32, one image at a time"
CORES = len(os.sched_getaffinity(0))


def main() -> None:
    options = parse()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.models = options.models or [random_model(options.folder / "resnet18.safetensors")]
    print(machine(), "\n")
    if "speed" in options.sections:
        print(speed_table(options).to_markdown(), flush=True)
    if "memory" in options.sections:
        print(memory_table(options).to_markdown(), flush=True)
    if "start" in options.sections:
        print(start_table(options).to_markdown(), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--models", nargs="+", type=Path, help="model files; the first .safetensors is also the loop's")
    parser.add_argument("--device", default="cpu", help="of all arms of the section speed but the loop")
    parser.add_argument("--images", type=Path, help="folder of photographs, instead of generated ones")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory_counts", type=int, nargs="+", default=(100, 10_000))
    parser.add_argument("--memory_size", type=int, default=128, help="side of the images that the network sees there")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "linearityiqa-bench-scoring")
    return parser.parse_args()


def random_model(path: Path) -> Path:
    """A resnet18 that scores images of 498 x 664, of random weights, on the scale 1..100."""
    torch.manual_seed(0)
    model, line = ModelConfig(architecture="resnet18"), LinearMapping(50.0, 50.0)
    record = ModelRecord(
        config=TrainConfig(model=model, transform=TransformConfig(resize=True)),
        mapping=QualityScores(line, line, line),
        scale=QualityScale(low=1, high=100),
        database="none",
        epoch=0,
    )
    save_model(path, LinearityIQA(model), record)
    return path


def files_of(options: argparse.Namespace, count: int) -> list[Path]:
    if options.images is not None:
        return sorted(expand([options.images]))[:count]
    folder = options.folder / "images"
    return [folder / name for name in make_photographs(folder, count)]


def loop_over(files: list[Path], model: Path, output: Path) -> Callable[[], None]:
    """The way that the published demonstration scores, kept in one process."""
    trained = open_model(model)
    size, line = trained.record.config.transform.size, trained.record.mapping.fused

    def run() -> None:
        torch.set_num_threads(CORES)
        rows = []
        with torch.no_grad():
            for file in files:
                image = Image.open(file).convert("RGB")
                if size is not None:
                    image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
                pixels = normalize(to_tensor(image), IMAGENET.mean, IMAGENET.std)
                rows.append((file, float(line(trained.network(pixels[None]).fused.item()))))
        write_csv(output, rows)

    return run


def write_csv(path: Path, rows: list[tuple[Path, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "score"))
        writer.writerows(rows)


def pipeline_over(
    files: list[Path], model: Path, output: Path, threads: int, lanes: int, device: str
) -> Callable[[], None]:
    """What `linearityiqa score --output` does once the model is open."""
    scorer = Scorer(model, device=device, num_threads=threads, lanes=lanes)
    provenance = provenance_of(model, scorer.record, columns(), max_pixels=10**8)

    def run() -> None:
        torch.set_num_threads(threads)
        with open_output(output, provenance, fresh=True) as rows:
            for result in scorer.score_many(files):
                rows.write(result.as_dict())

    return run


def speed_table(options: argparse.Namespace) -> Table:
    files = files_of(options, options.count)
    torch_model = next(model for model in options.models if model.suffix == ".safetensors")
    outputs = {LOOP: options.folder / "loop.csv"}
    keep_freed_memory()  # as the command does
    arms = {LOOP: memory_given_back()(loop_over(files, torch_model, outputs[LOOP]))}
    for model in options.models:
        for threads, lanes in {(CORES, 1), (1, CORES)} if options.device == "cpu" else {(CORES, 1)}:
            name = f"{model.name}, {threads} thread(s), {lanes} lane(s)"
            outputs[name] = options.folder / f"{len(outputs)}.csv"
            arms[name] = pipeline_over(files, model, outputs[name], threads, lanes, options.device)
    timing = take_turns(arms, images=len(files), rounds=options.rounds)
    expected = scores_in(outputs[LOOP])
    scale = open_model(torch_model).record.scale
    span = scale.high - scale.low if scale else float(np.ptp(expected))
    rows = []
    for name in arms:
        median, low, high = timing.ratio(name, LOOP)
        found = scores_in(outputs[name])
        rows.append(
            [
                name,
                f"{timing.rate(name):.2f}",
                f"{median:.2f} ({low:.2f} to {high:.2f})",
                f"{np.abs(found - expected).max():.2g}",
                f"{np.abs(found - expected).mean() / span:.3%}",
                f"{srocc(found, expected):.4f}",
            ]
        )
    columns = [
        "arm",
        "images/s, median",
        "ratio: median (range)",
        "largest difference",
        "mean difference, of the scale",
        "SROCC with the loop",
    ]
    return Table(f"{len(files)} images from files to CSV", columns, rows)


def scores_in(path: Path) -> np.ndarray:
    with path.open(newline="", encoding="utf-8") as stream:
        return np.array([float(row["score"]) for row in csv.DictReader(stream)])


def command(model: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "linearityiqa", "score", "--model", str(model), "--device", "cpu", *words]


def memory_table(options: argparse.Namespace) -> Table:
    size = [str(options.memory_size)] * 2
    rows = []
    for model in options.models:
        for count in options.memory_counts:
            listing = options.folder / "list.txt"
            listing.write_text("".join(f"{file}\n" for file in files_of(options, count)))
            output = options.folder / "memory.csv"
            words = ["-", "--output", str(output), "--fresh", "--resize", "-rs_h", size[0], "-rs_w", size[1]]
            with (
                listing.open() as stream,
                subprocess.Popen(command(model, *words), stdin=stream, stderr=subprocess.DEVNULL) as process,
            ):
                peak = 0.0
                while process.poll() is None:
                    peak = max(peak, anonymous_mb() - anonymous_of_this_process())
                    time.sleep(0.1)
            rows.append([model.name, count, sum(1 for _ in output.open()) - 1, f"{peak:.0f}"])
    return Table("Peak anonymous memory of the command", ["model", "images", "rows", "MB"], rows)


def anonymous_of_this_process() -> float:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1000
    return 0.0


def start_table(options: argparse.Namespace) -> Table:
    """From the start of the process to the first row; the files are in the system's cache after the first time."""
    (file,) = files_of(options, 1)
    rows = []
    for model in options.models:
        seconds = []
        for _ in range(1 + options.rounds):
            begin = time.perf_counter()
            subprocess.run(command(model, str(file), "--json"), check=True, capture_output=True)
            seconds.append(time.perf_counter() - begin)
        rows.append([model.name, f"{statistics.median(seconds[1:]):.2f}", f"{min(seconds[1:]):.2f}"])
    return Table("Seconds from the start of the process to its end after one score", ["model", "median", "least"], rows)


if __name__ == "__main__":
    main()
