"""`linearityiqa score`: photographs in, a row each out; and the one sentence of test_demo.py."""

import contextlib
import csv
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from linearityiqa.cli.parsing import parse
from linearityiqa.config import ModelConfig, ScoreConfig, TransformConfig
from linearityiqa.console import track
from linearityiqa.errors import ConfigError

if TYPE_CHECKING:
    from linearityiqa.scoring import ImageScore, Scorer

DESCRIPTION = "Score photographs: image files, folders, globs, or a list of paths on standard input (-)."
DEMO_DESCRIPTION = "Score one photograph, as the paper's test_demo.py does."


def main(argv: Sequence[str], prog: str = "linearityiqa score", default: ScoreConfig | None = None) -> int:
    """Parse, score, print."""
    return run(parse(ScoreConfig, argv, prog=prog, description=DESCRIPTION, default=default))


def demo_main(argv: Sequence[str], prog: str, default: ScoreConfig) -> int:
    """The same for test_demo.py: parse, score one image, print one sentence."""
    return run_demo(parse(ScoreConfig, argv, prog=prog, description=DEMO_DESCRIPTION, default=default))


def run(config: ScoreConfig) -> int:
    """Score every image that the options name, and print a row for each as it comes.

    Returns:
        Exit status: 0, or 1 where any image failed; all others are scored all the same.

    Raises:
        ConfigError: no image or no model is named.
        DataError: what is named holds no image.
        ModelFileError: the model file cannot be used.
    """
    paths = _paths(config)
    scorer = _scorer(config)
    print(_headline(scorer, config.trained_model_file), file=sys.stderr)
    with contextlib.closing(scorer.score_many(paths)) as results:
        failed, total = _print_rows(track(results, "scoring", enabled=config.pbar), _format(config))
    if failed:
        print(f"{failed} of {total} images could not be scored", file=sys.stderr)
    return 1 if failed else 0


def run_demo(config: ScoreConfig) -> int:
    """Score one image, and print the sentence of the paper's test_demo.py.

    Raises:
        ConfigError: not exactly one image, or no model, is named.
        UnreadableImageError: the image cannot be decoded.
        ModelFileError: the model file cannot be used.
    """
    images = _words(config)
    if len(images) != 1:
        raise ConfigError(f"this scores one image, got {len(images)}: name it with --img_path FILE")
    score = _scorer(config).score(images[0])
    print(f"The image quality score is {score:.6f}")
    return 0


def _words(config: ScoreConfig) -> list[str]:
    return [*config.paths, *([str(config.img_path)] if config.img_path is not None else [])]


def _paths(config: ScoreConfig) -> Iterator[Path]:
    """The images, lazily, but not before the first of them is found."""
    from linearityiqa.scoring import expand

    words = _words(config)
    if not words:
        raise ConfigError(
            "there is nothing to score: name images, folders or globs, as in linearityiqa score --model FILE photos/ "
            "(- reads a list of paths from standard input)"
        )
    _require_model(config)
    paths = expand(words, sys.stdin.buffer if sys.stdin else None)
    return itertools.chain([next(paths)], paths)


def _require_model(config: ScoreConfig) -> Path:
    from linearityiqa.scoring import HOW_TO_GET_A_MODEL

    if config.trained_model_file is None:
        raise ConfigError(f"scoring needs a trained model: --model FILE. {HOW_TO_GET_A_MODEL}")
    return config.trained_model_file


def _scorer(config: ScoreConfig) -> "Scorer":
    from linearityiqa.scoring import Scorer

    transform = config.transform.effective()
    return Scorer(
        _require_model(config),
        # what is left at its default is not asked for: the model file says what the model needs
        model=None if config.model == ModelConfig() else config.model,
        transform=None if transform == TransformConfig() else transform,
        device=config.device.device,
        batch_size=config.batch_size,
        num_workers=config.device.num_workers,
        num_threads=config.device.num_threads,
        max_pixels=round(config.max_megapixels * 1e6),
    )


def _headline(scorer: "Scorer", path: Path | None) -> str:
    from linearityiqa.scoring import describe_transform

    record = scorer.record
    scale = f"scores on {record.scale}" if record.scale else "the scale of its scores is not recorded"
    images = describe_transform(record.config.transform)
    return f"{path}: {record.config.model.architecture} trained on {record.database}; {scale}; images {images}"


class Format(NamedTuple):
    """How results are written: a first line, if any, and a line for each."""

    header: str | None
    line: Callable[["ImageScore"], str]


def _format(config: ScoreConfig) -> Format:
    from linearityiqa.scoring import COLUMNS

    if config.json:
        return Format(None, lambda result: json.dumps(result.as_dict()))
    if config.csv:
        return Format(_csv_line(COLUMNS), lambda result: _csv_line(map(_csv_cell, result.as_dict().values())))
    return Format(_TABLE_ROW.format("score", "stage3", "stage4", "scale", "image"), _table_line)


def _csv_line(cells: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "; ".join(value) if isinstance(value, list) else value


# The image comes last, so that columns line up without knowing the longest path, and no path is cut.
_TABLE_ROW = "{:>10} {:>10} {:>10}  {:5}  {}"
_ON_SCALE = {True: "on", False: "OFF", None: "-"}


def _table_line(result: "ImageScore") -> str:
    scores = ["-" if score is None else f"{score:.4f}" for score in (result.score, result.stage3, result.stage4)]
    remarks = "; ".join(result.notes)
    image = f"{result.path}  ({remarks})" if remarks else result.path
    if result.error is not None:
        image = result.error if result.path in result.error else f"{image}: {result.error}"
    return _TABLE_ROW.format(*scores, "error" if result.error else _ON_SCALE[result.on_scale], _printable(image))


def _printable(text: str) -> str:
    """One line that no file name can break or turn into commands for the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _print_rows(results: Iterator["ImageScore"], form: Format) -> tuple[int, int]:
    """Print results as they come; (failed, all)."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):  # file names come out as the bytes that they are
        stream.reconfigure(errors="surrogateescape" if stream.encoding.lower() == "utf-8" else "backslashreplace")
    if form.header is not None:
        print(form.header, file=stream, flush=True)
    failed = total = 0
    for result in results:
        failed += result.failed
        total += 1
        # a progress bar swaps sys.stdout for itself: rows go above it on a terminal, and past it into a file
        print(form.line(result), file=sys.stdout if stream.isatty() else stream, flush=True)
    return failed, total
