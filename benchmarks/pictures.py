"""Pictures to score, made only when they are needed, and a CSV file that keeps the scores of a method."""

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa import Scorer
from linearityiqa.data.databases.csvfile import read_csv
from linearityiqa.files import atomic_path, sha256_of

CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Picture:
    """An image under a name.

    Attributes:
        key: names the image and everything that was done to it.
        read: the content of an image file.
    """

    key: str
    read: Callable[[], bytes]

    @classmethod
    def made(cls, key: str, make: Callable[[], Image.Image], kept: Path | None = None) -> "Picture":
        """One that is rendered, and passed on without loss; where a folder is given, rendered once for all models."""
        if kept is None:
            return cls(key, lambda: encoded(make()))
        return cls(key, lambda: read_or_render(kept / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.png", make))


def read_or_render(path: Path, make: Callable[[], Image.Image]) -> bytes:
    """The content of a PNG file, rendered where it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            make().convert("RGB").save(temporary, format="PNG", compress_level=1)
    return path.read_bytes()


def encoded(image: Image.Image) -> bytes:
    """An image as a BMP file: without loss, and without the time of a compression."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="BMP")
    return buffer.getvalue()


@dataclass(frozen=True)
class Photographs:
    """Rated photographs of one split of a database.

    Attributes:
        names: file names.
        paths: the files.
        mos: their mean opinion scores on the scale of the model, shape (N,).
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    mos: NDArray[np.float64]

    @classmethod
    def of(cls, labels: Path, images: Path, split: str, factor: float) -> "Photographs":
        """Read a label file; its MOS are multiplied by `factor`.

        Raises:
            DataError: the file is faulty.
            SystemExit: it has no such split.
        """
        table = read_csv(labels)
        rows = (table.splits or {}).get(split)
        if rows is None or not len(rows):
            raise SystemExit(f"{labels} has no images of the split {split!r}: name another with --split.")
        names = tuple(table.names[row] for row in rows)
        return cls(names, tuple(images / name for name in names), table.mos[rows] * factor)

    def pictures(self) -> list[Picture]:
        """The files as they are."""
        return [Picture(name, path.read_bytes) for name, path in zip(self.names, self.paths, strict=True)]

    def decoded(self, name: str) -> Image.Image:
        """The pixels of one."""
        with Image.open(self.paths[self.names.index(name)]) as image:
            return image.convert("RGB")

    def best(self, count: int) -> list[str]:
        """Names of those with the highest MOS, the best first."""
        return [self.names[row] for row in np.argsort(-self.mos, kind="stable")[:count]]

    def drawn(self, count: int, seed: int = 0) -> list[str]:
        """Names of a random choice, the same each time."""
        rows = np.random.default_rng(seed).permutation(len(self.names))[:count]
        return [self.names[row] for row in sorted(rows)]


class Row(NamedTuple):
    """What a method said of a picture: a score, or an error; and the seconds it took, where they were measured."""

    key: str
    score: float | None
    seconds: float | None = None
    error: str = ""


class ScoreFile:
    """Scores of one method by key, kept in a CSV file as they come, so that a run resumes where it was stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        if path.exists():
            with path.open(newline="", encoding="utf-8") as stream:
                for row in csv.DictReader(stream):
                    if None not in row.values():  # a line that a stop cut off
                        self._remember(row)

    def _remember(self, row: Mapping[str, str]) -> None:
        number = {name: float(row[name]) if row[name] else None for name in ("score", "seconds")}
        if number["score"] is not None or row["error"]:
            self.rows[row["key"]] = Row(row["key"], number["score"], number["seconds"], row["error"])

    def missing(self, pictures: Iterable[Picture]) -> list[Picture]:
        """Those that have no row yet."""
        return [picture for picture in pictures if picture.key not in self.rows]

    @contextmanager
    def appending(self) -> Iterator[Callable[[Row], None]]:
        """Give a function that writes a row."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if stream.tell() == 0:
                writer.writerow(Row._fields)
            elif torn:
                stream.write("\n")

            def write(row: Row) -> None:
                self.rows[row.key] = row
                writer.writerow(["" if cell is None else cell for cell in row])
                stream.flush()

            yield write

    def scores(self, keys: Sequence[str]) -> NDArray[np.float64]:
        """Scores in the order of the keys; nan for one that failed."""
        return np.array([np.nan if (score := self.rows[key].score) is None else score for key in keys])


def score_file_of(model: Path, folder: Path) -> ScoreFile:
    """The scores of a model file, by its content."""
    return ScoreFile(folder / f"{model.stem}-{sha256_of(model)[:12]}.csv")


def score_pictures(model: Path, pictures: Sequence[Picture], folder: Path) -> ScoreFile:
    """Score what has no score yet with a model file, a batch on each core.

    Args:
        model: the model file.
        pictures: what to score; keys are unique.
        folder: of the CSV file that keeps the scores.

    Raises:
        SystemExit: an image has no score.
    """
    scores = score_file_of(model, folder)
    missing = {picture.key: picture for picture in scores.missing(pictures)}
    if missing:
        scorer = Scorer(model, device="cpu", num_threads=1, lanes=CORES)
        with scores.appending() as write:
            for result in scorer.score_many(missing, read=lambda key: missing[key].read()):
                if result.score is None:
                    raise SystemExit(f"{result.path}: {result.error}")
                write(Row(result.path, result.score))
    return scores
