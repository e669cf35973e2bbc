"""`linearityiqa score --ray`: the same scores from the machines of a Ray cluster."""

import itertools
import signal
import sys
from collections.abc import Iterator, Sequence

from linearityiqa.cli.score_rows import Count
from linearityiqa.cli.scorer import chosen_model, headline, open_scorer, scorer_options
from linearityiqa.cluster import connect
from linearityiqa.config import ScoreConfig
from linearityiqa.errors import ConfigError, Interrupted
from linearityiqa.scoring import Details, expand
from linearityiqa.scoring.output import Provenance
from linearityiqa.scoring.output.parquet import ParquetOutput
from linearityiqa.scoring.ray_job import ScoringJob, resources_of, score_on_ray
from linearityiqa.scoring.urls import expand_url, is_url


def score_on_cluster(config: ScoreConfig, words: Sequence[str]) -> Count:
    """Score the images that `words` name on the cluster; how many rows there are then, and how many without a score.

    Raises:
        ConfigError: no image is named, or there is no such cluster.
        DataError: what is named holds no image.
        ModelFileError: the model file cannot be used.
        OutputError: the output cannot be written, or holds scores of another model or other options.
        MissingExtraError: Ray is not installed.
        Interrupted: Ctrl-C; finished blocks are on disk.
    """
    if not words:
        raise ConfigError(
            "there is nothing to score: name images, folders, globs, or addresses such as s3://bucket/photos"
        )
    if config.ray is None or config.output is None:
        raise ConfigError("scoring on a cluster needs --ray ADDRESS and --output FOLDER")
    # the workers run in folders of their own: paths are as good there only when they are absolute
    model_file, folder = chosen_model(config).resolve(), config.output.resolve()
    details = Details(uncertainty=config.uncertainty)
    scorer = open_scorer(config)  # here, so that a model that cannot be used is told before a cluster is asked
    print(headline(scorer, model_file), file=sys.stderr)
    provenance = Provenance.of(model_file, scorer.record, details, max_pixels=config.max_pixels)
    output = ParquetOutput(folder, details, provenance, fresh=config.fresh)
    try:
        ray = connect(config.ray)
        try:
            resources = resources_of(config.device, ray.nodes())
            own = {"num_threads": resources.cpus, "num_workers": resources.cpus, "lanes": config.lanes or 1}
            options = scorer_options(config) | own
            score_on_ray(ScoringJob(model_file, options, details, folder), output, paths_of(words), ray, resources)
        finally:
            ray.shutdown()
    except KeyboardInterrupt as cause:
        raise Interrupted(
            f"interrupted; {folder} holds the blocks that are done, and the same command goes on from there",
            signal.SIGINT,
        ) from cause
    finally:
        output.close()
    print(f"{folder}: {output.total} images", file=sys.stderr)
    return Count(output.failed, output.total)


def paths_of(words: Sequence[str]) -> Iterator[str]:
    """The images that words name: local ones by their absolute paths, then those behind addresses."""
    local = [word for word in words if not is_url(word)]
    found = expand(local, sys.stdin.buffer if sys.stdin else None) if local else iter(())
    behind = itertools.chain.from_iterable(expand_url(word) for word in words if is_url(word))
    return itertools.chain((str(path.absolute()) for path in found), behind)
