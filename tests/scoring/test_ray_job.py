"""Scoring on a Ray cluster. Oracle: the scores of the same model in this process; every image exactly once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("ray", reason="the extra ray is not installed")
pytest.importorskip("onnx", reason="the extra export is not installed")

import ray
from pyarrow import parquet
from ray.cluster_utils import Cluster

from linearityiqa.config import ScoringDeviceConfig
from linearityiqa.errors import ConfigError
from linearityiqa.scores.parquet import ParquetOutput
from linearityiqa.scores.provenance import provenance_of
from linearityiqa.scoring import COLUMNS, Scorer
from linearityiqa.scoring.ray_job import Resources, ScoringJob, resources_of, score_on_ray
from linearityiqa.scoring.results import PLAIN
from tiny_onnx import tiny_model, write

pytestmark = pytest.mark.slow

IMAGES = 120
OPTIONS = {"num_workers": 1, "num_threads": 1}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("model") / "model.onnx", tiny_model())


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[str]:
    """Many small photographs; one of them is no image."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    names = [folder / f"{number:03d}.png" for number in range(IMAGES)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(name)
    names[7].write_text("no image")
    return [str(name) for name in names]


def rows_in(folder: Path) -> list[dict]:
    return [row for part in sorted(folder.glob("part-*.parquet")) for row in parquet.read_table(part).to_pylist()]


def output_at(folder: Path, model_file: Path) -> ParquetOutput:
    record = Scorer(model_file).record
    return ParquetOutput(folder, provenance_of(model_file, record, COLUMNS, max_pixels=1_000_000), fresh=False)


def test_every_image_once_though_a_machine_dies(model_file, photos, tmp_path, monkeypatch):
    """Two machines with a core each; one is taken away once blocks are done, with the block that it has in work."""
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "240")  # a busy machine needs longer than Ray expects
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    output = output_at(tmp_path / "scores", model_file)
    job = ScoringJob(model_file, OPTIONS, PLAIN, tmp_path / "scores", block_images=2)
    killed = []

    def count(images, failed, counted=output.count):
        counted(images, failed)
        if not killed and output.total >= 10:
            killed.append(len(rows_in(tmp_path / "scores")))
            cluster.remove_node(nodes[0], allow_graceful=False)

    output.count = count
    try:
        ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
        score_on_ray(job, output, photos, Resources(cpus=1, gpus=0, workers=2))
    finally:
        output.close()
        ray.shutdown()
        cluster.shutdown()
    assert killed, "no machine was taken away"
    assert killed[0] < IMAGES, "all was done before the machine was taken away"
    rows = rows_in(tmp_path / "scores")
    assert sorted(row["path"] for row in rows) == sorted(photos)
    expected = {result.path: result for result in Scorer(model_file).score_many(photos)}
    for row in rows:
        wanted = expected[row["path"]]
        assert row["error"] == wanted.error
        assert row["score"] == (None if wanted.failed else pytest.approx(wanted.score, rel=1e-6))
    assert (output.total, output.failed) == (IMAGES, 1)


@pytest.mark.parametrize(
    ("device", "nodes", "expected"),
    [
        (ScoringDeviceConfig(), [{"CPU": 2.0}, {"CPU": 4.0}], Resources(1, 0, 6)),
        (ScoringDeviceConfig(num_threads=2), [{"CPU": 2.0}, {"CPU": 4.0}], Resources(2, 0, 3)),
        (ScoringDeviceConfig(), [{"CPU": 16.0, "GPU": 2.0}], Resources(8, 1, 2)),
        (ScoringDeviceConfig(device="cpu"), [{"CPU": 16.0, "GPU": 2.0}], Resources(1, 0, 16)),
    ],
)
def test_a_worker_for_each_gpu_or_core(device, nodes, expected):
    assert resources_of(device, [{"Alive": True, "Resources": node} for node in nodes]) == expected


def test_dead_machines_do_not_count():
    nodes = [{"Alive": True, "Resources": {"CPU": 1.0}}, {"Alive": False, "Resources": {"CPU": 8.0}}]
    assert resources_of(ScoringDeviceConfig(), nodes).workers == 1


def test_a_gpu_that_no_machine_has_is_refused():
    with pytest.raises(ConfigError, match="needs a GPU"):
        resources_of(ScoringDeviceConfig(device="cuda"), [{"Alive": True, "Resources": {"CPU": 1.0}}])
