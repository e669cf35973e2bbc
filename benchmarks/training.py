"""Training speed against the published procedure: the figures of `make bench`.

    python benchmarks/training.py                       # all sections, on this machine
    python benchmarks/training.py --sections step epoch --device cuda --architecture resnext101_32x8d \\
        --counts 7058 1000 2015 --rounds 1

Both sides train the same network on the same generated JPEG files with the same batches, in one process, in turns.
Sections: loading, step, evaluation, epoch (images/s of both, and their ratio), start (seconds to the first batch
and to the end of the first step),
memory (peak anonymous memory), growth (how input time and memory grow with the number of images).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import AnonymousMemory, Timing, machine, matrix_rate, memory_given_back, take_turns
from ours import OurProcedure
from photographs import make_database
from published import PublishedProcedure
from torch.utils.flop_counter import FlopCounterMode

from linearityiqa.reporting import Table
from linearityiqa.training.precision import cpu_computes_bfloat16

SECTIONS = ("loading", "step", "evaluation", "epoch", "start", "memory", "growth")
OURS, PUBLISHED = "this project", "published procedure"
Call = Callable[[], object]


def main() -> None:
    options = parse()
    if options.probe:
        print(json.dumps(probe(options)))
        return
    print(
        f"{machine()}\n{options.architecture}, {options.size[0]} x {options.size[1]}, batches of {options.batch_size}\n"
    )
    timed = [section for section in SECTIONS[:4] if section in options.sections]
    if timed:
        print(timing_table(options, timed).to_markdown(), flush=True)
    if "start" in options.sections:
        print(start_table(options).to_markdown(), flush=True)
    if "memory" in options.sections:
        print(memory_table(options, [sum(options.counts)]).to_markdown(), flush=True)
    if "growth" in options.sections:
        print(memory_table(options, options.growth).to_markdown(), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "linearityiqa-bench")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--size", type=int, nargs=2, default=(498, 664), metavar=("H", "W"))
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--opt_level", choices=("O0", "O1"), default="O1", help="of ours; the published is float32")
    parser.add_argument("--counts", type=int, nargs=3, default=(64, 10, 22), metavar=("TRAIN", "VAL", "TEST"))
    parser.add_argument("--growth", type=int, nargs="+", default=(100, 1000, 10000), help="numbers of images")
    parser.add_argument("--start_images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="time this project only, where the other takes too long")
    parser.add_argument("--randomness", action="store_true", help="as the option of train")
    parser.add_argument("--compile", action="store_true", help="as the option of train")
    parser.add_argument("--probe", choices=("ours", "published"), help=argparse.SUPPRESS)
    return parser.parse_args()


def ours_of(options: argparse.Namespace, labels: Path) -> OurProcedure:
    return OurProcedure(
        labels,
        options.architecture,
        tuple(options.size),
        options.batch_size,
        options.device,
        options.folder,
        options.opt_level,
        randomness=options.randomness,
        compiled=options.compile,
    )


def published_of(options: argparse.Namespace, labels: Path) -> PublishedProcedure:
    return PublishedProcedure(labels, options.architecture, tuple(options.size), options.batch_size, options.device)


def timing_table(options: argparse.Namespace, sections: list[str]) -> Table:
    labels = make_database(options.folder, *options.counts)
    ours, published = ours_of(options, labels), published_of(options, labels)
    ours.open()
    published.decode_all()
    train, evaluated = options.counts[0], sum(options.counts)
    batch_ours, batch_published = ours.first_batch(), published.first_batch()
    arms = {
        "loading": (ours.load, published.load, train),
        "step": (lambda: ours.step(batch_ours), lambda: published.step(*batch_published), options.batch_size),
        "evaluation": (ours.evaluate, published.evaluate, evaluated),
        "epoch": (ours.epoch, published.epoch, train + evaluated),
    }
    rows = []
    for section in sections:
        call, baseline, images = arms[section]
        rounds = options.rounds if section in ("evaluation", "epoch") else 3 * options.rounds
        sides = {OURS: synchronised(call)}
        if not options.alone:
            sides[PUBLISHED] = memory_given_back()(synchronised(baseline))
        timing = take_turns(sides, images=images, rounds=rounds)
        rows.append([section, *rates_of(timing), share_of_peak(options, arms[section], timing, section)])
        print(f"measured {section}", file=sys.stderr, flush=True)
    columns = ["part", f"{OURS}, images/s", f"{PUBLISHED}, images/s", "ratio: median (range)", "share of matrix rate"]
    return Table("Images a second, medians", columns, rows)


def synchronised(call):
    """The call, and all that it set going on a GPU."""

    def whole() -> None:
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return whole


def rates_of(timing: Timing) -> list[str]:
    if PUBLISHED not in timing.seconds:
        return [f"{timing.rate(OURS):.2f}", "–", "–"]
    ratio, low, high = timing.ratio(OURS, PUBLISHED)
    return [f"{timing.rate(OURS):.2f}", f"{timing.rate(PUBLISHED):.2f}", f"{ratio:.2f} ({low:.2f} to {high:.2f})"]


def share_of_peak(options: argparse.Namespace, arm: tuple[Call, Call, int], timing: Timing, section: str) -> str:
    """Operations of a step a second, over the machine's rate of square matrix products of the same type."""
    if section != "step":
        return ""
    call, baseline, images = arm
    rate = operations_of(call if options.alone else baseline) / images * timing.rate(OURS)
    half = options.opt_level == "O1" and (options.device != "cpu" or cpu_computes_bfloat16())
    dtype = "bfloat16" if half else "float32"
    peak = matrix_rate(dtype, options.device)
    return f"{rate / peak:.0%} of {peak / 1e9:.0f} GFLOP/s ({dtype})"


def operations_of(call: Call) -> int:
    """Floating-point operations of the convolutions and matrix products of a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def start_table(options: argparse.Namespace) -> Table:
    """Seconds from opening the run to its first step, and to the end of that; ours with the cache of an earlier run."""
    labels = make_database(options.folder, options.start_images - 200, 100, 100)
    ours_of(options, labels).open()  # an earlier run: makes the cache
    ours, published = ours_of(options, labels), published_of(options, labels)
    begins = [time.perf_counter()]
    batch = ours.start()
    ready = [time.perf_counter()]
    ours.step(batch)
    ends = [time.perf_counter()]
    begins.append(ends[0])
    batch = published.start()
    ready.append(time.perf_counter())
    published.step(*batch)
    ends.append(time.perf_counter())
    rows = []
    for name, marks in (("its first batch is ready", ready), ("its first step is done", ends)):
        ours_s, published_s = (mark - begin for mark, begin in zip(marks, begins, strict=True))
        rows.append([name, f"{ours_s:.2f}", f"{published_s:.2f}", f"{published_s / ours_s:.1f}"])
    columns = ["until", f"{OURS}, s", f"{PUBLISHED}, s", "ratio"]
    return Table(f"From opening a run of {options.start_images} images, warm cache", columns, rows)


def memory_table(options: argparse.Namespace, counts: list[int]) -> Table:
    """Each figure from a process of its own: three steps, one pass over all images, an evaluation of a few."""
    rows = []
    for count in counts:
        for which in ("ours", "published"):
            words = [sys.executable, __file__, "--probe", which, "--folder", str(options.folder)]
            words += ["--device", options.device, "--architecture", options.architecture]
            words += ["--size", *map(str, options.size), "--batch_size", str(options.batch_size)]
            words += ["--counts", str(count - 2 * (count // 10)), str(count // 10), str(count // 10)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            name = OURS if which == "ours" else PUBLISHED
            rows.append([count, name, *(f"{found[key]:.1f}" for key in ("prepare_s", "pass_s", "peak_mb"))])
    columns = [
        "images",
        "",
        "first preparation, s",
        "one pass over the training images, s",
        "peak anonymous memory, MB",
    ]
    return Table("Input and memory by the number of images", columns, rows)


def probe(options: argparse.Namespace) -> dict[str, float]:
    labels = make_database(options.folder, *options.counts)
    run = ours_of(options, labels) if options.probe == "ours" else published_of(options, labels)
    with AnonymousMemory() as memory:
        begin = time.perf_counter()
        run.open() if options.probe == "ours" else run.decode_all()
        prepared = time.perf_counter()
        run.load()
        passed = time.perf_counter()
        batch = run.first_batch()
        for _ in range(3):
            run.step(batch) if options.probe == "ours" else run.step(*batch)
    return {"prepare_s": prepared - begin, "pass_s": passed - prepared, "peak_mb": memory.peak_mb}


if __name__ == "__main__":
    main()
