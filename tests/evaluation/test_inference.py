"""Oracles: the network applied to one image at a time, and equality to the bit with an undisturbed call."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.dataset import ImageDataset
from linearityiqa.data.loading.samplers import SampleKey
from linearityiqa.errors import DataError
from linearityiqa.evaluation import predict
from linearityiqa.evaluation.prefetch import normalised
from linearityiqa.images import IMAGENET, ImageTransform
from linearityiqa.machine import BatchLimit
from linearityiqa.quality import QualityScores

CPU = torch.device("cpu")
SIZES = [(24, 32), (32, 24), (24, 32), (20, 20), (24, 32), (32, 24), (24, 32), (24, 32), (32, 24)]


class SmallNetwork(nn.Module):
    """A convolution, a batch normalisation and a dropout, all of which betray the wrong mode or batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(8, 3)
        self.batches: list[tuple[int, ...]] = []

    def forward(self, images):
        assert not self.training
        assert torch.is_inference_mode_enabled()
        self.batches.append(tuple(images.shape))
        return QualityScores(*self.head(self.layers(images).mean((2, 3))).unbind(1))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> ImageDataset:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(2)
    names = tuple(f"{i}.png" for i in range(len(SIZES)))
    for name, (height, width) in zip(names, SIZES, strict=True):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / name)
    mos = rng.uniform(0, 100, len(names))
    return ImageDataset(ImageTable(names, mos, folder, mos_std=rng.uniform(1, 9, len(names))), ImageTransform())


def run(network, dataset, **options):
    options = {"limit": BatchLimit(3), "device": CPU, "num_workers": 0} | options
    return predict(network, dataset, **options)


def as_array(predictions) -> np.ndarray:
    return np.stack(predictions.scores, axis=1)


def test_scores_are_those_of_single_images_in_the_order_of_the_table(dataset):
    network = SmallNetwork()
    predictions = run(network, dataset)
    network.eval()
    with torch.inference_mode():
        for index in range(len(dataset)):
            image = normalised(dataset[SampleKey(0, index)][0][None], IMAGENET)
            for head, expected in network(image)._asdict().items():
                assert getattr(predictions.scores, head)[index] == pytest.approx(expected.item(), abs=1e-5)


def test_names_and_opinions_are_the_tables(dataset):
    predictions = run(SmallNetwork(), dataset)
    assert predictions.names == dataset.table.names
    np.testing.assert_array_equal(predictions.mos, dataset.table.mos)
    np.testing.assert_array_equal(predictions.mos_std, dataset.table.mos_std)
    assert {scores.dtype for scores in predictions.scores} == {np.dtype(np.float64)}


def test_a_batch_holds_one_size_and_no_more_than_asked(dataset):
    network = SmallNetwork()
    run(network, dataset, limit=BatchLimit(3))
    assert sorted(shape[0] for shape in network.batches) == [1, 2, 3, 3]


def test_large_images_make_smaller_batches(dataset):
    network = SmallNetwork()
    run(network, dataset, limit=BatchLimit(64, pixels=2 * 24 * 32))
    assert max(shape[0] for shape in network.batches) == 2


@pytest.mark.parametrize("stop", [0, 1, 2, 4])
def test_continued_scores_are_bit_identical(dataset, stop):
    whole = as_array(run(SmallNetwork(), dataset))
    states = [np.full((len(dataset), 3), np.nan)]
    run(SmallNetwork(), dataset, on_batch=lambda scores: states.append(scores.copy()))
    assert [int(np.isfinite(state).all(axis=1).sum()) for state in states] == [0, 3, 6, 8, 9]
    network, before = SmallNetwork(), states[stop].copy()
    np.testing.assert_array_equal(as_array(run(network, dataset, done=states[stop])), whole)
    assert len(network.batches) == 4 - stop, "finished batches are not computed again"
    np.testing.assert_array_equal(states[stop], before, err_msg="the caller's array is left alone")


def test_scores_of_another_dataset_are_refused(dataset):
    with pytest.raises(DataError, match="another dataset"):
        run(SmallNetwork(), dataset, done=np.zeros((4, 3)))


def test_every_training_flag_is_put_back_even_after_a_failure(dataset):
    network = SmallNetwork().train()
    network.layers[1].eval()
    flags = [module.training for module in network.modules()]

    def fail(scores):
        raise KeyboardInterrupt

    run(network, dataset)
    assert [module.training for module in network.modules()] == flags
    with pytest.raises(KeyboardInterrupt):
        run(network, dataset, on_batch=fail)
    assert [module.training for module in network.modules()] == flags
    assert not any(module.training for module in run_in_evaluation(network.eval(), dataset))


def run_in_evaluation(network, dataset):
    run(network, dataset)
    return network.modules()


def test_forward_runs_inside_the_autocast_context(dataset):
    dtypes = []

    class Watching(SmallNetwork):
        def forward(self, images):
            quality = super().forward(images)
            dtypes.append(quality.fused.dtype)
            return quality

    @contextmanager
    def bfloat16():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            yield

    predictions = run(Watching(), dataset, autocast=bfloat16)
    assert set(dtypes) == {torch.bfloat16}
    np.testing.assert_allclose(as_array(predictions), as_array(run(SmallNetwork(), dataset)), atol=0.02)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_names_the_image(dataset, value):
    class Broken(SmallNetwork):
        def forward(self, images):
            quality = super().forward(images)
            if images.shape[2:] == (20, 20):
                quality.stage4[0] = value
            return quality

    with pytest.raises(DataError, match=r"score of .*3\.png is not finite"):
        run(Broken(), dataset)


def test_an_unreadable_image_is_named(dataset, tmp_path):
    (tmp_path / "bad.png").write_bytes((dataset.table.root / "0.png").read_bytes()[:400])
    broken = ImageDataset(ImageTable(("bad.png",), np.ones(1), tmp_path), ImageTransform())
    with pytest.raises(DataError, match=r"bad\.png"):
        run(SmallNetwork(), broken)


def test_progress_goes_to_standard_error_only_where_asked(dataset, capsys):
    run(SmallNetwork(), dataset)
    assert capsys.readouterr() == ("", "")
    run(SmallNetwork(), dataset, progress="testing")
    assert capsys.readouterr().out == ""


def test_workers_give_the_same_bits(dataset):
    expected = as_array(run(SmallNetwork(), dataset))
    np.testing.assert_array_equal(as_array(run(SmallNetwork(), dataset, num_workers=1)), expected)


class Threads:
    """Peers that are threads of this process."""

    def __init__(self, size: int) -> None:
        self.size, self.barrier, self.given = size, threading.Barrier(size), [()] * size
        self.local = threading.local()

    @property
    def rank(self) -> int:
        return self.local.rank

    def gather(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.given[self.rank] = tensors
        self.barrier.wait(60)
        gathered = tuple(torch.cat(parts) for parts in zip(*self.given, strict=True))
        self.barrier.wait(60)
        return gathered

    def each(self, work):
        """What `work(rank)` gives in each thread."""

        def in_thread(rank):
            self.local.rank = rank
            return work(rank)

        with ThreadPoolExecutor(self.size) as pool:
            return list(pool.map(in_thread, range(self.size)))


@pytest.mark.parametrize("size", [2, 3, 7])  # 5 batches
def test_peers_share_the_batches_and_all_have_the_bits_of_one_process(dataset, size):
    alone = SmallNetwork()
    expected = as_array(run(alone, dataset))
    networks, peers = [SmallNetwork() for _ in range(size)], Threads(size)
    for found in peers.each(lambda rank: run(networks[rank], dataset, peers=peers)):
        np.testing.assert_array_equal(as_array(found), expected)
    assert sorted(batch for network in networks for batch in network.batches) == sorted(alone.batches)


def test_peers_go_on_where_one_process_was_stopped(dataset):
    saved = []
    expected = as_array(run(SmallNetwork(), dataset, on_batch=lambda scores: saved.append(scores.copy())))
    networks, peers, kept = [SmallNetwork(), SmallNetwork()], Threads(2), [[], []]
    found = peers.each(
        lambda rank: run(
            networks[rank],
            dataset,
            peers=peers,
            done=saved[1],
            on_batch=lambda scores: kept[rank].append(scores.copy()),
        )
    )
    np.testing.assert_array_equal([as_array(each) for each in found], [expected, expected])
    assert sum(len(network.batches) for network in networks) == len(saved) - 2
    np.testing.assert_array_equal(kept[0], kept[1])


def test_the_rest_of_the_package_needs_no_torch():
    code = (
        "import sys, linearityiqa.evaluation as e; e.evaluate, e.read_authors_npy, e.read_predictions_csv; "
        "assert 'torch' not in sys.modules; sys.modules['torch'] = None\n"
        "try:\n    e.predict\nexcept ImportError as error:\n    assert 'linearityiqa[train]' in str(error)\n"
        "else:\n    sys.exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
