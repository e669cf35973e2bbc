"""`linearityiqa score`: score photographs, a row for each; and the sentence of test_demo.py."""

import contextlib
import itertools
import logging
import os
import signal
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from linearityiqa.cli.models import chosen_model, headline, open_scorer, scorer_options
from linearityiqa.cli.score_rows import format_of, print_rows, print_summary, select
from linearityiqa.config import ScoreConfig
from linearityiqa.console import say, track
from linearityiqa.errors import ConfigError, DataError, Interrupted, OutputError
from linearityiqa.extras import connect
from linearityiqa.hub import bundled_card
from linearityiqa.machine import in_threads, keep_freed_memory
from linearityiqa.quality import GRADES
from linearityiqa.scores import ParquetOutput, open_output
from linearityiqa.scores.provenance import provenance_of
from linearityiqa.scores.rows import read_scores
from linearityiqa.scoring import Details, ImageScore, Scorer, columns, expand
from linearityiqa.scoring.bursts import Bursts, Place
from linearityiqa.scoring.gallery import Gallery
from linearityiqa.scoring.inputs import count, expand_url, is_url
from linearityiqa.scoring.pictures import Look
from linearityiqa.scoring.results import Tally, write_map
from linearityiqa.scoring.xmp import sidecar_of, write_rating

logger = logging.getLogger(__name__)


def score(config: ScoreConfig) -> int:
    """Score images, and print or append a row for each as soon as it is known; exit status 1 if any image failed."""
    if config.model_card:
        print(bundled_card().read_text(encoding="utf-8"), end="")
        return 0
    if not config.words:
        raise ConfigError(
            "there is nothing to score: name images, folders or globs, as in linearityiqa score photos/ "
            "(- reads a list of paths from standard input)"
        )
    paths: Iterator[Path] = iter(())
    if config.ray is None:
        paths = _expanded(config, config.words)
        paths = itertools.chain([next(paths)], paths)  # find the first before a model is opened
    keep_freed_memory()
    model_file = chosen_model(config.trained_model_file, fast=config.fast).file
    scorer = open_scorer(config, model_file)  # also for a cluster: a model that cannot be used ends it at once
    say(headline(scorer, model_file), file=sys.stderr)
    if config.xmp and config.xmp_thresholds is None and not (scorer.record.scale and scorer.record.opinions):
        raise ConfigError("this model gives no quality words: --xmp needs --xmp_thresholds, of 2, 3, 4 and 5 stars")
    with contextlib.ExitStack() as stack:
        gallery = None
        if config.report is not None:
            gallery = stack.enter_context(contextlib.closing(Gallery(config.report, scorer.record, config.max_pixels)))
        bursts = stack.enter_context(contextlib.closing(Bursts())) if config.groups else None
        task = _Task(config, model_file, scorer, paths, gallery, bursts)
        tally = task.print_scores() if config.output is None else task.append_scores(config.output)
    return print_summary(tally, scorer.record, below_table=config.output is None and not (config.json or config.csv))


def score_one(config: ScoreConfig) -> int:
    """Score one image, and print the sentence of the paper's test_demo.py."""
    images = config.words
    if len(images) != 1:
        raise ConfigError(f"this scores one image, got {len(images)}: name it with --img_path FILE")
    score = open_scorer(config, chosen_model(config.trained_model_file, fast=config.fast).file).score(images[0])
    print(f"The image quality score is {score:.6f}")
    return 0


def _expanded(config: ScoreConfig, words: Sequence[str]) -> Iterator[Path]:
    return expand(words, sys.stdin.buffer if sys.stdin else None, exclude=config.exclude, null=config.null)


@dataclass
class _Task:
    """Score images; print the scores, append them to a file, and report them."""

    config: ScoreConfig
    model_file: Path
    scorer: Scorer
    paths: Iterator[Path]
    gallery: Gallery | None
    bursts: Bursts | None
    rated: int = 0
    """Ratings written so far."""
    places: Mapping[str, Place] = field(default_factory=dict)
    """Places of photographs in their groups, once all are known."""

    @property
    def details(self) -> Details:
        """Details of the results that the options ask for."""
        return Details(
            uncertainty=self.config.uncertainty,
            maps=self.config.map is not None,
            thumbnails=self.gallery is not None,
            bursts=self.bursts is not None,
        )

    @property
    def _shown(self) -> bool:
        """Whether progress is shown."""
        return sys.stderr.isatty() if self.config.pbar is None else self.config.pbar

    def print_scores(self) -> Tally:
        """Print a row for each image; after a stop the report holds the images scored so far."""
        tally = Tally()
        try:
            with contextlib.closing(self._results(self.paths)) as results:
                rows = tally.watch(results)
                # the last photograph may belong with the first
                self._print(rows if self.bursts is None else self._grouped(self.bursts, list(rows)))
        except (KeyboardInterrupt, BrokenPipeError):
            self._write_page(stopped=True)
            raise
        self._write_page()
        return tally

    def append_scores(self, output: Path) -> Tally:
        """Append rows for images that have none yet; then count, select and report all rows of the output."""
        stored = None
        if self.config.ray is None:
            stored = self._append(output)
        else:
            self._append_from_cluster(self.config.ray, output)
        if self.gallery is not None:
            self.gallery.add_stored(itertools.islice(_stored(output), stored))
        rows: Iterable[ImageScore] = _stored(output)
        if self.bursts is not None:
            for row, look in in_threads(self._with_look, itertools.islice(_stored(output), stored)):
                self.bursts.add(row, look)
            rows = self._grouped(self.bursts, rows)
        self._write_page()  # before the rows, of which a reader such as head may take a part
        tally = Tally()
        rows = tally.watch(rows)
        if self.config.selects:
            self._print(rows)
        for _ in rows:
            pass
        if self.config.ray is not None:
            say(f"{output.resolve()}: {tally.total} images", file=sys.stderr)
        return tally

    def _append(self, output: Path) -> int:
        """Append rows, and return how many of those before are kept."""
        config, record = self.config, self.scorer.record
        details = self.details._replace(bursts=False)  # the next run may change the groups
        provenance = provenance_of(self.model_file, record, columns(details), max_pixels=config.max_pixels)
        with open_output(output, provenance, fresh=config.fresh) as rows:
            before = rows.total
            new = (path for path in self.paths if rows.claim(os.fspath(path)))
            try:
                with contextlib.closing(self._results(new, before - rows.failed)) as results:
                    for result in results:
                        rows.write(result.as_dict(details))
            except KeyboardInterrupt as cause:
                raise Interrupted(
                    f"interrupted; {output} holds the scores so far, and the same command resumes from there",
                    signal.SIGINT,
                ) from cause
        kept = before - rows.again
        again = f", {rows.again} scored again that had failed or whose files have changed" if rows.again else ""
        there = f", {kept} kept" if before else ""
        say(f"{output}: {rows.total - before} images appended{again}{there}", file=sys.stderr)
        return kept

    def _append_from_cluster(self, address: str, output: Path) -> None:
        """Append the rows that the machines of a Ray cluster compute to a folder of Parquet files."""
        from linearityiqa.scoring.ray_job import ScoringJob, resources_of, score_on_ray

        config = self.config
        # each worker runs in its own folder, where relative paths mean other files
        model_file, folder = self.model_file.resolve(), output.resolve()
        details = Details(uncertainty=config.uncertainty)
        provenance = provenance_of(model_file, self.scorer.record, columns(details), max_pixels=config.max_pixels)
        try:
            with ParquetOutput(folder, provenance, fresh=config.fresh) as rows:
                ray = connect(address)
                try:
                    resources = resources_of(config.device, ray.nodes())
                    own = {"num_threads": resources.cpus, "num_workers": resources.cpus, "lanes": config.lanes or 1}
                    job = ScoringJob(model_file, scorer_options(config) | own, details, folder)
                    score_on_ray(job, rows, _paths_and_addresses(config), resources)
                finally:
                    ray.shutdown()
        except KeyboardInterrupt as cause:
            raise Interrupted(
                f"interrupted; {folder} holds the blocks that are done, and the same command resumes from there",
                signal.SIGINT,
            ) from cause

    def _results(self, paths: Iterator[Path], stored: int = 0) -> Generator[ImageScore]:
        """Yield results, each reported, rated and its map written; `stored` other images have a score already."""
        config = self.config
        shown = self._shown
        total = count(config.words, config.exclude) if shown else None
        with contextlib.closing(self.scorer.score_many(paths, self.details)) as results:
            for result in track(results, "scoring", total=total and total - stored, enabled=shown and total != 1):
                if self.gallery is not None:
                    self.gallery.add(result)
                if self.bursts is not None:
                    self.bursts.add(result, result.look)
                if config.xmp and result.score is not None:
                    self._rate(Path(result.path), result.score)
                row = replace(result, thumbnail=None, look=None)
                yield row if config.map is None else write_map(config.map, row)
        if config.xmp:
            say(f"{self.rated} ratings written into sidecars", file=sys.stderr)

    def _rate(self, photograph: Path, score: float) -> None:
        """Write the rating of a photograph into its sidecar, or warn that it cannot be edited."""
        config = self.config
        if config.xmp_thresholds is not None:
            stars = 1 + sum(score >= threshold for threshold in config.xmp_thresholds)
        else:
            stars = 1 + GRADES.index(self.scorer.record.grade(score) or "")
        try:
            sidecar = sidecar_of(photograph, stem=config.xmp_stem)
            self.rated += write_rating(sidecar, stars, overwrite=config.overwrite_ratings)
        except OutputError as cause:
            logger.warning("%s", cause)

    def _with_look(self, row: ImageScore) -> tuple[ImageScore, Look | None]:
        """Decode a photograph that was scored in an earlier run, for its bursts."""
        try:
            return row, self.scorer.prepare(row.path, with_look=True).look
        except DataError:  # gone, or damaged since
            return row, None

    def _grouped(self, bursts: Bursts, rows: Iterable[ImageScore]) -> Iterator[ImageScore]:
        """Find the groups of all photographs, and return the rows with them."""
        places = self.places = bursts.places(quiet=not self._shown)
        several = sum(place.rank == 2 for place in places.values())
        print(f"{several} bursts of several photographs among {len(places)}", file=sys.stderr)
        placed = ((row, places.get(row.path)) for row in rows)
        return (replace(row, group=place.group, best=place.rank == 1) if place else row for row, place in placed)

    def _print(self, results: Iterable[ImageScore]) -> None:
        print_rows(select(results, self.config), format_of(self.config, self.details, self.scorer.record))

    def _write_page(self, *, stopped: bool = False) -> None:
        if self.gallery is not None:
            self.gallery.write(self.places, stopped=stopped)
            what = "the images scored until the stop" if stopped else "all images"
            say(f"{self.config.report}: {what}, to be opened in a browser", file=sys.stderr)


def _stored(output: Path) -> Iterator[ImageScore]:
    return (ImageScore(**row) for row in read_scores(output))


def _paths_and_addresses(config: ScoreConfig) -> Iterator[str]:
    """Yield absolute paths of local images, then addresses of remote ones."""
    local = [word for word in config.words if not is_url(word)]
    found = _expanded(config, local) if local else iter(())
    behind = itertools.chain.from_iterable(expand_url(word) for word in config.words if is_url(word))
    return itertools.chain((str(path.absolute()) for path in found), behind)
