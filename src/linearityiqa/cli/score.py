"""`linearityiqa score`: photographs in, a row each out; and the one sentence of test_demo.py."""

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from linearityiqa.cli.parsing import parse
from linearityiqa.cli.score_rows import Count, format_of, print_rows
from linearityiqa.cli.scorer import chosen_model, headline, open_scorer
from linearityiqa.config import ScoreConfig
from linearityiqa.console import track
from linearityiqa.errors import ConfigError, Interrupted
from linearityiqa.memory import keep_freed_memory

if TYPE_CHECKING:
    from linearityiqa.scoring import Details, ImageScore, Scorer

DESCRIPTION = "Score photographs: image files, folders, globs, or a list of paths on standard input (-)."
DEMO_DESCRIPTION = "Score one photograph, as the paper's test_demo.py does."


def main(argv: Sequence[str], prog: str = "linearityiqa score", default: ScoreConfig | None = None) -> int:
    """Parse, score, print."""
    return run(parse(ScoreConfig, argv, prog=prog, description=DESCRIPTION, default=default))


def demo_main(argv: Sequence[str], prog: str, default: ScoreConfig) -> int:
    """The same for test_demo.py: parse, score one image, print one sentence."""
    return run_demo(parse(ScoreConfig, argv, prog=prog, description=DEMO_DESCRIPTION, default=default))


def run(config: ScoreConfig) -> int:
    """Score every image that the options name, and print or append a row for each as it comes.

    Returns:
        Exit status: 0, or 1 where any image failed; all others are scored all the same.

    Raises:
        ConfigError: no image is named.
        DataError: what is named holds no image.
        ModelFileError: the model file cannot be used.
        OutputError: the output cannot be written, or holds scores of another model or other options.
        Interrupted: Ctrl-C; what was appended is on disk.
    """
    from linearityiqa.scoring import Details

    if config.model_card:
        from linearityiqa.packaged import bundled_card

        print(bundled_card().read_text(encoding="utf-8"), end="")
        return 0
    if config.ray is not None:
        from linearityiqa.cli.score_ray import score_on_cluster

        return exit_status(score_on_cluster(config, config.words))
    paths = _paths(config)
    keep_freed_memory()
    scorer = open_scorer(config)
    print(headline(scorer, chosen_model(config)), file=sys.stderr)
    details = Details(uncertainty=config.uncertainty, maps=config.map is not None)
    if config.output is not None:
        count = _append(config, scorer, paths, details, config.output)
    else:
        with contextlib.closing(_results(config, scorer, paths, details)) as results:
            count = print_rows(results, format_of(config, details))
    return exit_status(count)


def exit_status(count: Count) -> int:
    """1 where any image has no score, which is said; else 0."""
    if count.failed:
        print(f"{count.failed} of {count.total} images could not be scored", file=sys.stderr)
    return 1 if count.failed else 0


def run_demo(config: ScoreConfig) -> int:
    """Score one image, and print the sentence of the paper's test_demo.py.

    Raises:
        ConfigError: not exactly one image is named.
        UnreadableImageError: the image cannot be decoded.
        ModelFileError: the model file cannot be used.
    """
    images = config.words
    if len(images) != 1:
        raise ConfigError(f"this scores one image, got {len(images)}: name it with --img_path FILE")
    score = open_scorer(config).score(images[0])
    print(f"The image quality score is {score:.6f}")
    return 0


def _paths(config: ScoreConfig) -> Iterator[Path]:
    """The images, lazily, but not before the first of them is found."""
    from linearityiqa.scoring import expand

    words = config.words
    if not words:
        raise ConfigError(
            "there is nothing to score: name images, folders or globs, as in linearityiqa score photos/ "
            "(- reads a list of paths from standard input)"
        )
    paths = expand(words, sys.stdin.buffer if sys.stdin else None)
    return itertools.chain([next(paths)], paths)


def _results(
    config: ScoreConfig, scorer: "Scorer", paths: Iterator[Path], details: "Details"
) -> Generator["ImageScore"]:
    """Results as they come, with a picture of each map in its file."""
    from linearityiqa.scoring.inputs import count
    from linearityiqa.scoring.map_files import write_map

    total = count(config.words) if config.pbar and config.output is None else None
    with contextlib.closing(scorer.score_many(paths, details)) as results:
        for result in track(results, "scoring", total=total, enabled=config.pbar):
            yield result if config.map is None else write_map(config.map, result)


def _append(config: ScoreConfig, scorer: "Scorer", paths: Iterator[Path], details: "Details", output: Path) -> Count:
    """Append a row to the output for each image that has none yet."""
    from linearityiqa.scoring.output import Provenance, open_output

    provenance = Provenance.of(chosen_model(config), scorer.record, details, max_pixels=config.max_pixels)
    with open_output(output, provenance, details, fresh=config.fresh) as rows:
        before = rows.total
        new = (path for path in paths if rows.take(os.fspath(path)))
        try:
            with contextlib.closing(_results(config, scorer, new, details)) as results:
                for result in results:
                    rows.write(result)
        except KeyboardInterrupt as cause:
            raise Interrupted(
                f"interrupted; {output} holds the scores so far, and the same command goes on from there", signal.SIGINT
            ) from cause
        there = f", beside {before} that it held" if before else ""
        print(f"{output}: {rows.total - before} images appended{there}", file=sys.stderr)
        return Count(rows.failed, rows.total)
