"""Does a run that is stopped and continued end in the bits of one that was not? Stops of all kinds, several networks.

    python benchmarks/resume.py [NETWORK ...] [--modes native:O1 avx2:O0 ...] [--runs 1] [--output FOLDER]

Each network is trained for three epochs on a small generated database: once undisturbed, and then stopped by SIGTERM
and by SIGKILL inside an epoch, between epochs and inside an evaluation, and each time continued by a new process. (A
killed process has saved after every batch, or only at the ends of epochs and evaluations.) In the end all must be
equal: the best model's file, the last state, weights, moments and generators after every epoch, metrics.csv,
predictions.csv, results.json and TensorBoard's scalars. Prints a table, and ends with status 1 where anything differs.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from stopped import Place, bits_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from linearityiqa.reporting import Table

NETWORKS = ("resnet18", "resnet50", "vgg16", "alexnet", "mobilenet_v2", "timm/resnet10t")
PROCESSORS = {
    "native": {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "avx2-onednn": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}
"""What is told to torch alone, or to torch and oneDNN, of the processor: the latter is what an older one computes."""
MODES = tuple(f"{processor}:{level}" for processor in PROCESSORS for level in ("O1", "O0"))
BETWEEN = (("saved", 0), ("saved", 1), ("trained", 0), ("written", 0), ("written", 1), ("evaluated", 0), ("noted", 0))
"""Places at which an epoch, or its training, has ended and the next has not begun (`stopped.STAGES`)."""
EPOCHS, BATCH = 3, 4
IMAGES = {"train": 36, "val": 12, "test": 12}
FILES = ("model.safetensors", "metrics.csv", "predictions.csv", "results.json")
ENDS = {"none": 0, "SIGTERM": 128 + 15, "SIGKILL": -9}
"""Exit status of a process that is sent the signal."""
UNEQUAL_FIELDS = {"timing", "seconds"}
"""Of the state: how long it took."""


class Stop(NamedTuple):
    """A signal, where it is sent, and after how many minutes at most the process has saved until then."""

    place: Place
    signal: str
    save_minutes: int

    def __str__(self) -> str:
        return f"{self.signal}@{self.place}@{self.save_minutes}"

    @classmethod
    def read(cls, text: str) -> "Stop":
        """The stop that `str` has written."""
        signal, place, minutes = text.split("@")
        return cls(Place.read(place), signal, int(minutes))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES, metavar="PROCESSOR:LEVEL")
    parser.add_argument("--runs", type=int, default=1, help="stopped runs of each network and mode")
    parser.add_argument("--stops", nargs="+", type=Stop.read, help="instead of drawn ones, e.g. SIGKILL@3/train/5@0")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128), metavar=("H", "W"))
    parser.add_argument("--crop", type=int, default=96, help="side of the crops that are trained on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the places")
    parser.add_argument("--words", nargs=argparse.REMAINDER, default=[], help="further options of train, at the end")
    parser.add_argument("--output", type=Path, help="new folder where the runs are kept; else nowhere")
    options = parser.parse_args()
    if options.output is not None and options.output.exists():
        parser.error(f"{options.output} exists: what it holds would be continued, not stopped. Name a new folder.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.output or Path(temporary)
        labels = make_database(folder / "database")
        rows = [row_of(name, mode, labels, options) for mode in options.modes for name in options.networks]
    columns = ["network", "processor", "level", "precision", "stops", "differences"]
    print(Table("Runs that were stopped and continued, against undisturbed ones", columns, rows).to_markdown())
    return 1 if any(row[-1] for row in rows) else 0


def make_database(folder: Path) -> Path:
    """A CSV database of generated pictures of 96 x 72 whose MOS falls with their noise; its label file."""
    (folder / "images").mkdir(parents=True)
    rng, rows, count = np.random.default_rng(7), ["image_name,mos,split"], sum(IMAGES.values())
    splits = [split for split, number in IMAGES.items() for _ in range(number)]
    for i, split in enumerate(splits):
        noise = (i * 7 % count) / count
        base = np.linspace(0, 200, 96)[None, :, None] + rng.uniform(0, 40, (1, 1, 3))
        pixels = np.clip(base + noise * 80 * rng.standard_normal((72, 96, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"picture{i:02d}.png")
        rows.append(f"picture{i:02d}.png,{100 - 90 * noise:.4f},{split}")
    (folder / "mos.csv").write_text("\n".join(rows) + "\n")
    return folder / "mos.csv"


def row_of(network: str, mode: str, labels: Path, options: argparse.Namespace) -> list[Any]:
    """The row of a network and a mode in the table."""
    processor, level = mode.split(":")
    folder = labels.parent.parent / network.replace("/", "_") / mode.replace(":", "_")
    height, width = map(str, options.size)
    crop, environment = str(options.crop), PROCESSORS[processor] | {"OMP_NUM_THREADS": str(options.threads)}
    words = ["train", "--dataset", str(labels), "-arch", network, "--weights", "none", "-e", str(EPOCHS)]
    words += ["-bs", str(BATCH), "--resize", "-rs_h", height, "-rs_w", width, "-augment", "-cs_h", crop, "-cs_w", crop]
    words += ["--num_workers", "0", "--opt_level", level, *options.words]
    undisturbed = folder / "undisturbed"
    carry_out(words, undisturbed, environment, None)
    stops_made, differences = 0, 0
    for number in range(options.runs):
        rng = random.Random(f"{options.seed} {network} {mode} {number}")
        stops = options.stops or drawn(rng)
        stopped = folder / f"stopped{number}"
        for stop in [*sorted(stops), None]:
            carry_out(words, stopped, environment, stop)
        found = differences_between(undisturbed, stopped)
        stops_made, differences = stops_made + len(stops), differences + len(found)
        what = "; ".join(found) or "the same bits"
        print(f"{network}, {mode}: {' '.join(map(str, sorted(stops)))}: {what}", file=sys.stderr, flush=True)
    precision = json.loads((undisturbed / "results.json").read_text())["precision"]
    return [network, processor, level, precision, stops_made, differences]


def drawn(rng: random.Random) -> list[Stop]:
    """A stop of every kind by each signal, at places that chance finds."""
    batches, epochs = -(-IMAGES["train"] // BATCH), range(1, EPOCHS + 1)
    between = [Place.of(epoch, stage, count) for epoch in epochs for stage, count in BETWEEN]
    stops = []
    for signal in ("SIGTERM", "SIGKILL"):
        tests = [Place.of(epoch, "evaluate", rng.randint(1, IMAGES["val"])) for epoch in epochs]
        # after the scores of the validation images, which are there already
        tests.append(Place.of(EPOCHS, "final", IMAGES["val"] + rng.randint(1, IMAGES["train"])))
        # after that nothing is left to be stopped gracefully
        pauses = between + [Place.of(EPOCHS, "finish")] * (signal == "SIGKILL")
        inside = Place.of(rng.randint(1, EPOCHS), "train", rng.randint(1, batches))
        stops += [Stop(place, signal, rng.choice((0, 5))) for place in (inside, rng.choice(pauses), rng.choice(tests))]
    return stops


def carry_out(words: Sequence[str], folder: Path, environment: dict[str, str], stop: Stop | None) -> None:
    """Train in a process of its own, to the end or to the stop.

    Raises:
        RuntimeError: it ends in another way.
    """
    digests = folder.with_suffix(".digests")
    name, place, minutes = (stop.signal, str(stop.place), stop.save_minutes) if stop else ("none", "-", 5)
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("stopped.py")), name, place, str(digests), *words,
         "--save_minutes", str(minutes), "--output", str(folder)],
        env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if run.returncode != ENDS[name]:
        raise RuntimeError(f"{stop or 'to the end'}: {' '.join(run.args)} ended with {run.returncode}:\n{run.stdout}")


def differences_between(undisturbed: Path, stopped: Path) -> list[str]:
    """What differs between two finished runs."""
    found = [name for name in FILES if (undisturbed / name).read_bytes() != (stopped / name).read_bytes()]
    states = [torch.load(folder / "last.pt", weights_only=True) for folder in (undisturbed, stopped)]
    for name in states[0].keys() - UNEQUAL_FIELDS:
        if bits_of(states[0][name]) != bits_of(states[1][name]):
            found.append(f"{name} in last.pt")
    first = next(
        (i for i, (a, b) in enumerate(zip(*(state["losses"] for state in states), strict=True)) if a != b), None
    )
    if first is not None:
        found.append(f"loss from iteration {first + 1} on")
    if scalars_of(undisturbed) != scalars_of(stopped):
        found.append("TensorBoard's scalars")
    digests = [
        {(line["epoch"], line["digest"]) for line in map(json.loads, folder.with_suffix(".digests").open())}
        for folder in (undisturbed, stopped)
    ]
    found += [f"weights, moments or generators after epoch {epoch}" for epoch, _ in sorted(digests[0] - digests[1])]
    return found


def scalars_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every scalar that TensorBoard shows of a run, by tag."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


if __name__ == "__main__":
    sys.exit(main())
