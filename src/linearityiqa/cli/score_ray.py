"""`linearityiqa score --ray`: the same scores from the machines of a Ray cluster."""

import itertools
import signal
import sys
from collections.abc import Iterator, Sequence

from linearityiqa.cli.scorer import chosen_model, scorer_options
from linearityiqa.config import ScoreConfig
from linearityiqa.errors import ConfigError, Interrupted
from linearityiqa.extras import connect
from linearityiqa.record import ModelRecord
from linearityiqa.scoring import Details, expand
from linearityiqa.scoring.inputs import expand_url, is_url
from linearityiqa.scoring.output import Provenance
from linearityiqa.scoring.output.parquet import ParquetOutput
from linearityiqa.scoring.ray_job import ScoringJob, resources_of, score_on_ray


def score_on_cluster(config: ScoreConfig, record: ModelRecord) -> None:
    """Score the images that the options name on a cluster, into their output.

    Args:
        config: the options.
        record: of the model, which this process can open.

    Raises:
        ConfigError: there is no such cluster.
        DataError: what is named holds no image.
        OutputError: the output cannot be written, or holds scores of another model or other options.
        MissingExtraError: Ray is not installed.
        Interrupted: Ctrl-C; finished blocks are on disk.
    """
    if config.ray is None or config.output is None:
        raise ConfigError("scoring on a cluster needs --ray ADDRESS and --output FOLDER")
    # the workers run in folders of their own: paths are as good there only when they are absolute
    model_file, folder = chosen_model(config).resolve(), config.output.resolve()
    details = Details(uncertainty=config.uncertainty)
    provenance = Provenance.of(model_file, record, details, max_pixels=config.max_pixels)
    output = ParquetOutput(folder, details, provenance, fresh=config.fresh)
    try:
        ray = connect(config.ray)
        try:
            resources = resources_of(config.device, ray.nodes())
            own = {"num_threads": resources.cpus, "num_workers": resources.cpus, "lanes": config.lanes or 1}
            options = scorer_options(config) | own
            score_on_ray(
                ScoringJob(model_file, options, details, folder), output, paths_of(config.words), ray, resources
            )
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


def paths_of(words: Sequence[str]) -> Iterator[str]:
    """The images that words name: local ones by their absolute paths, then those behind addresses."""
    local = [word for word in words if not is_url(word)]
    found = expand(local, sys.stdin.buffer if sys.stdin else None) if local else iter(())
    behind = itertools.chain.from_iterable(expand_url(word) for word in words if is_url(word))
    return itertools.chain((str(path.absolute()) for path in found), behind)
