"""Score on a Ray cluster: blocks of images, each of which becomes a Parquet file.

A block that is lost with its worker is scored again into the same file, so that every image has exactly one row.
"""

import itertools
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from linearityiqa.config import ScoringDeviceConfig
from linearityiqa.errors import ConfigError, OutputError
from linearityiqa.scores.parquet import ParquetOutput, part_name
from linearityiqa.scores.rows import write_part
from linearityiqa.scoring.inputs import is_url, read_url
from linearityiqa.scoring.results import Details, columns
from linearityiqa.scoring.scorer import Scorer

MOST_WORKERS = 10_000


@dataclass(frozen=True)
class ScoringJob:
    """Settings of a job, which every worker gets; all machines have the model and the folder under the same paths."""

    model_file: Path
    options: dict[str, Any]
    details: Details
    folder: Path
    block_images: int = 500
    """Most images of a block: what is lost with a worker."""


class Resources(NamedTuple):
    """Cores and GPUs that a worker reserves, and the largest number of workers."""

    cpus: int
    gpus: int
    workers: int


class BlockScorer:
    """Worker of a job, whose model stays open for all of its blocks."""

    def __init__(self, job: ScoringJob) -> None:
        self._job = job
        self._scorer = Scorer(job.model_file, **job.options)

    def __call__(self, blocks: dict[str, Any]) -> dict[str, Any]:
        """Score blocks and write their files; return their numbers of images, and of those without a score."""
        counts = [self._score(str(part), list(paths)) for part, paths in zip(*blocks.values(), strict=True)]
        images, failed = zip(*counts, strict=True)
        return {"images": list(images), "failed": list(failed)}

    def _score(self, part: str, paths: list[str]) -> tuple[int, int]:
        details = self._job.details
        read = read_url if any(map(is_url, paths)) else None
        results = list(self._scorer.score_many(paths, details, read=read))
        write_part(self._job.folder / part, [result.as_dict(details) for result in results], columns(details))
        return len(results), sum(result.failed for result in results)


def score_on_ray(job: ScoringJob, output: ParquetOutput, paths: Iterable[str], resources: Resources) -> None:
    """Score the images that have no row yet on the cluster that Ray is connected to.

    Args:
        job: what the workers need.
        output: the open output in the job's folder, which counts finished blocks.
        paths: local paths or addresses.
        resources: of a worker.

    Raises:
        OutputError: a block could not be scored or written, on several workers.
    """
    new = (path for path in paths if output.claim(path))
    in_blocks = iter(lambda: list(itertools.islice(new, job.block_images)), [])
    blocks = [{"part": part_name(number), "paths": block} for number, block in enumerate(in_blocks, output.next_part)]
    if not blocks:
        return
    import ray.data  # a part of its own, which must be imported

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # each row of the data set is a block: that of a lost worker is then scored again whole, under the same name
    done = ray.data.from_items(blocks, override_num_blocks=len(blocks)).map_batches(
        BlockScorer,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(resources.workers, len(blocks))),
        num_cpus=resources.cpus,
        num_gpus=resources.gpus,
    )
    try:
        for row in done.iter_rows():
            output.count(int(row["images"]), int(row["failed"]))
    except ray.exceptions.RayError as failure:
        reason = str(failure).strip().rpartition("\n")[2]
        raise OutputError(
            f"the job on the Ray cluster failed: {reason}. Finished blocks are in {job.folder}; the same command "
            "resumes from there."
        ) from failure


def resources_of(device: ScoringDeviceConfig, nodes: Iterable[dict[str, Any]]) -> Resources:
    """Return a worker for each GPU with its share of the cores, or without GPUs one for each core.

    Args:
        device: options of the command; ConfigError where they ask for a GPU that the cluster lacks.
        nodes: of the cluster, as Ray describes them.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    cpus, gpus = (int(sum(node.get(kind, 0) for node in alive)) for kind in ("CPU", "GPU"))
    if gpus and not device.device.startswith("cpu"):
        return Resources(cpus=max(1, cpus // gpus), gpus=1, workers=gpus)
    if device.device.startswith("cuda"):
        raise ConfigError(f"--device {device.device} needs a GPU, and the Ray cluster has none")
    threads = device.num_threads or 1
    return Resources(cpus=threads, gpus=0, workers=min(MOST_WORKERS, max(1, cpus // threads)))
