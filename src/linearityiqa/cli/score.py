"""`linearityiqa score`: photographs in, a row each out; and the one sentence of test_demo.py."""

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from linearityiqa.cli.parsing import parse
from linearityiqa.cli.score_rows import format_of, print_rows, print_summary, selected
from linearityiqa.cli.scorer import chosen_model, headline, open_scorer
from linearityiqa.config import ScoreConfig
from linearityiqa.console import track
from linearityiqa.data.loading.processes import keep_freed_memory
from linearityiqa.errors import ConfigError, Interrupted

if TYPE_CHECKING:
    from linearityiqa.record import ModelRecord
    from linearityiqa.scoring import ImageScore, Scorer
    from linearityiqa.scoring.gallery import Gallery
    from linearityiqa.scoring.results import Tally

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
    if config.model_card:
        from linearityiqa.packaged import bundled_card

        print(bundled_card().read_text(encoding="utf-8"), end="")
        return 0
    if not config.words:
        raise ConfigError(
            "there is nothing to score: name images, folders or globs, as in linearityiqa score photos/ "
            "(- reads a list of paths from standard input)"
        )
    paths = _paths(config) if config.ray is None else iter(())
    keep_freed_memory()
    scorer = open_scorer(config)  # also for a cluster: a model that cannot be used is told before anything else
    print(headline(scorer, chosen_model(config)), file=sys.stderr)
    with _gallery(config, scorer.record) as gallery:
        task = _Task(config, scorer, paths, gallery)
        tally = task.print_scores() if config.output is None else task.append_scores(config.output)
    return print_summary(tally, scorer.record, below_table=config.output is None and not (config.json or config.csv))


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

    paths = expand(config.words, sys.stdin.buffer if sys.stdin else None)
    return itertools.chain([next(paths)], paths)


@contextlib.contextmanager
def _gallery(config: ScoreConfig, record: "ModelRecord") -> Iterator["Gallery | None"]:
    """What gathers results for the page that the options ask for, if they do."""
    if config.report is None:
        yield None
        return
    from linearityiqa.scoring.gallery import Gallery

    with contextlib.closing(Gallery(config.report, record, config.max_pixels)) as gallery:
        yield gallery


class _Task:
    """Images to be scored, and what becomes of their scores."""

    def __init__(self, config: ScoreConfig, scorer: "Scorer", paths: Iterator[Path], gallery: "Gallery | None") -> None:
        from linearityiqa.scoring import Details

        self._config, self._scorer, self._paths, self._gallery = config, scorer, paths, gallery
        self._details = Details(
            uncertainty=config.uncertainty, maps=config.map is not None, thumbnails=gallery is not None
        )

    def print_scores(self) -> "Tally":
        """Score the images, and print their rows; after a stop the page holds those that were scored."""
        from linearityiqa.scoring.results import Tally

        tally = Tally()
        try:
            with contextlib.closing(self._results(self._paths)) as results:
                self._print(tally.watch(results))
        except (KeyboardInterrupt, BrokenPipeError):
            self._write_page(stopped=True)
            raise
        self._write_page()
        return tally

    def append_scores(self, output: Path) -> "Tally":
        """Append a row to the output for each image that has none yet; then look at all rows that it holds."""
        from linearityiqa.scoring.output.provenance import read_scores
        from linearityiqa.scoring.results import Tally

        if self._config.ray is None:
            stored = self._append(output)
        else:
            from linearityiqa.cli.score_ray import score_on_cluster

            score_on_cluster(self._config, self._scorer.record)
            stored = None
        tally = Tally()
        rows = tally.watch(read_scores(output))
        if self._config.selects:
            self._print(rows)
        for _ in rows:
            pass
        if self._gallery is not None:
            self._gallery.add_stored(itertools.islice(read_scores(output), stored))
        self._write_page()
        return tally

    def _append(self, output: Path) -> int:
        """Append rows; how many the output held before."""
        from linearityiqa.scoring.output import Provenance, open_output

        config, record = self._config, self._scorer.record
        provenance = Provenance.of(chosen_model(config), record, self._details, max_pixels=config.max_pixels)
        with open_output(output, provenance, self._details, fresh=config.fresh) as rows:
            before = rows.total
            new = (path for path in self._paths if rows.take(os.fspath(path)))
            try:
                with contextlib.closing(self._results(new)) as results:
                    for result in results:
                        rows.write(result)
            except KeyboardInterrupt as cause:
                raise Interrupted(
                    f"interrupted; {output} holds the scores so far, and the same command goes on from there",
                    signal.SIGINT,
                ) from cause
            there = f", beside {before} that it held" if before else ""
            print(f"{output}: {rows.total - before} images appended{there}", file=sys.stderr)
        return before

    def _results(self, paths: Iterator[Path]) -> Generator["ImageScore"]:
        """Results as they come, with a picture of each map in its file; the page has seen them."""
        from linearityiqa.scoring.inputs import count
        from linearityiqa.scoring.map_files import write_map

        config = self._config
        total = count(config.words) if config.pbar and config.output is None else None
        with contextlib.closing(self._scorer.score_many(paths, self._details)) as results:
            for result in track(results, "scoring", total=total, enabled=config.pbar):
                if self._gallery is not None:
                    self._gallery.add(result)
                row = replace(result, thumbnail=None)
                yield row if config.map is None else write_map(config.map, row)

    def _print(self, results: Iterable["ImageScore"]) -> None:
        print_rows(selected(results, self._config), format_of(self._config, self._details, self._scorer.record))

    def _write_page(self, *, stopped: bool = False) -> None:
        if self._gallery is not None:
            self._gallery.write(stopped=stopped)
            what = "the images scored until the stop" if stopped else "all images"
            print(f"{self._config.report}: {what}, to be opened in a browser", file=sys.stderr)
