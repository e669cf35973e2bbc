"""Oracle: a server on this machine that speaks the hub's file interface, and the same file opened without it."""

import importlib
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from formula import formula_network
from hub_server import NEW, OLD, HubServer, hub_server
from linearityiqa import Scorer, hub, load_model
from linearityiqa.cli import main
from linearityiqa.config import ExportConfig, ModelConfig
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.export.model import output_of
from linearityiqa.hub import HubModel, local_model
from linearityiqa.models import save_model
from pixel_runtime import make_record
from tiny_onnx import tiny_model

hf_api = pytest.importorskip("huggingface_hub.hf_api", reason="huggingface_hub is not installed")
file_download = importlib.import_module("huggingface_hub.file_download")
constants = hf_api.constants
"""What HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE set, once, when the package is imported."""
ONNX = tiny_model().SerializeToString()


def new_session() -> None:
    """Before 1.0 a session remembers whether it is offline."""
    getattr(importlib.import_module("huggingface_hub.utils._http"), "reset_sessions", lambda: None)()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub, and an empty cache."""
    with hub_server() as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.address)
        template = found.address + "/{repo_id}/resolve/{revision}/{filename}"
        for module in (constants, file_download):  # older versions keep a copy
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        monkeypatch.setattr(hf_api.api, "endpoint", found.address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        new_session()
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        yield found


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    for level, path in enumerate(paths):
        Image.new("RGB", (96, 80), (80 * level, 40, 99)).save(path)
    return paths


@pytest.fixture(scope="module")
def safetensors(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, formula_network(), make_record(model=ModelConfig(architecture="alexnet")))
    return path.read_bytes()


def offer(server: HubServer, repo: str = "some/one", **files: bytes) -> None:
    """A repository whose only commit holds files; _ stands for the dot in their names."""
    server.files[repo] = {NEW: {name.replace("_", ".", 1): content for name, content in files.items()}}


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("hf://a/b", ("a/b", None, None)),
        (Path("hf://a/b.c-d_e@v1.0"), ("a/b.c-d_e", "v1.0", None)),
        ("hf://a/b/int8/model.onnx", ("a/b", None, "int8/model.onnx")),
        ("hf://a/b@refs%2Fpr%2F1/m.safetensors", ("a/b", "refs/pr/1", "m.safetensors")),
    ],
)
def test_addresses(address: str | Path, parts: tuple[str | None, ...]) -> None:
    assert HubModel.of(address) == HubModel(*parts)
    assert local_model("runs/model.onnx") == Path("runs/model.onnx")  # a path stays a path
    assert HubModel.of(str(HubModel(*parts)).replace("refs/pr/1", "refs%2Fpr%2F1")) == HubModel(*parts)


@pytest.mark.parametrize(
    "address",
    ["hf://", "hf://a", "hf://a/b@", "hf://../b", "hf://a/b/../../m.onnx", "hf://a/b@..%2F..%2Fx", "hf://a/b@x%20y"],
)
def test_what_is_no_address_is_refused_before_anything_is_asked(address: str) -> None:
    with pytest.raises(ConfigError, match="hf://OWNER/NAME"):
        HubModel.of(address)


@pytest.mark.parametrize("file", ["m.pth", "README.md", "pytorch_model.bin", "config.json", "onnx"])
def test_nothing_but_models_is_fetched(file: str) -> None:
    with pytest.raises(ConfigError, match="nothing else is fetched"):
        HubModel("a/b", file=file)


def test_a_model_scores_as_its_file(server: HubServer, safetensors: bytes, tmp_path: Path, photos: list[Path]) -> None:
    offer(server, model_safetensors=safetensors, README_md=b"# read me", pickle_bin=b"x")
    (tmp_path / "here.safetensors").write_bytes(safetensors)
    expected = Scorer(tmp_path / "here.safetensors", device="cpu").score(photos[0])
    assert Scorer.from_pretrained("some/one", device="cpu").score(photos[0]) == expected
    assert Scorer("hf://some/one", device="cpu").score(photos[0]) == expected
    assert load_model("hf://some/one").config.architecture == "alexnet"
    assert server.fetched == ["model.safetensors"]  # once; and nothing else


def test_an_onnx_file_is_taken_where_it_is_the_only_one_or_torch_is_not_there(
    server: HubServer, safetensors: bytes, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(server, model_onnx=ONNX)
    assert Scorer.from_pretrained("some/one").record.config.model.architecture == "pixels"
    offer(server, "some/two", model_onnx=ONNX, model_safetensors=safetensors)
    assert HubModel("some/two").fetch().name == "model.safetensors"
    monkeypatch.setattr(hub.importlib.util, "find_spec", lambda name: None)
    assert HubModel("some/two").fetch().name == "model.onnx"


def test_a_file_may_be_named(server: HubServer) -> None:
    server.files["some/one"] = {NEW: {"int8/model.onnx": ONNX, "model.onnx": b""}}
    assert local_model("hf://some/one/int8/model.onnx").parts[-3:] == (NEW, "int8", "model.onnx")


def test_a_revision_is_a_branch_a_tag_or_a_commit(server: HubServer) -> None:
    server.files["some/one"] = {OLD: {"model.onnx": ONNX}, NEW: {"model.onnx": ONNX + b"\x0a\x00"}}
    for revision, commit in ((None, NEW), ("v1", OLD), ("refs/pr/1", OLD), (OLD, OLD)):
        assert HubModel("some/one", revision).fetch().parent.name == commit
    server.asked.clear()
    assert HubModel("some/one", OLD, "model.onnx").fetch().parent.name == OLD
    server.refs["main"] = OLD
    assert HubModel("some/one").fetch().parent.name == OLD
    assert server.fetched == []  # both are in the cache


def test_a_commit_in_the_cache_asks_nobody(server: HubServer) -> None:
    offer(server, model_onnx=ONNX)
    HubModel("some/one", NEW, "model.onnx").fetch()
    server.asked.clear()
    HubModel("some/one", NEW, "model.onnx").fetch()
    assert server.asked == []


@pytest.mark.parametrize("status", [429, 503])
def test_where_the_hub_does_not_answer_the_cache_is_used_with_a_warning(
    server: HubServer, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    offer(server, model_onnx=ONNX)
    cached = HubModel("some/one").fetch()
    assert not caplog.messages
    server.down = status
    assert HubModel("some/one").fetch() == cached
    (message,) = caplog.messages
    assert re.fullmatch(
        rf"the hub cannot be reached \(.*{status}.*\): hf://some/one is the file in the cache.*", message
    )
    with pytest.raises(
        ModelFileError, match=rf"some/other from the hub: the hub cannot be reached \(.*{status}.*cache"
    ):
        HubModel("some/other").fetch()


@pytest.mark.parametrize("status", [401, 403, 410])
def test_what_the_hub_refuses_is_not_taken_from_the_cache(server: HubServer, status: int) -> None:
    offer(server, model_onnx=ONNX)
    HubModel("some/one").fetch()
    server.down = status
    with pytest.raises(ModelFileError, match=f"^cannot take hf://some/one from the hub: .*{status}.*$"):
        HubModel("some/one").fetch()


def test_a_failure_that_is_no_missing_network_is_not_taken_for_one(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(server, model_onnx=ONNX)
    HubModel("some/one").fetch()

    def fail(url: str) -> None:
        raise RuntimeError("a fault of the client")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", fail)
    with pytest.raises(ModelFileError, match="cannot take hf://some/one from the hub: a fault of the client"):
        HubModel("some/one").fetch()


def test_offline_nobody_is_asked(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    offer(server, model_onnx=ONNX)
    cached = HubModel("some/one").fetch()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    new_session()
    server.asked.clear()
    assert HubModel("some/one").fetch() == cached
    assert not caplog.messages
    with pytest.raises(ModelFileError, match="HF_HUB_OFFLINE is set, and it is not in the cache"):
        HubModel("some/other").fetch()
    assert server.asked == []


def test_nobody_at_the_address(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, file_download):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    with pytest.raises(ModelFileError, match=r"hub cannot be reached \(.*refused.*\), and it is not in the cache"):
        HubModel("some/one").fetch()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (HubModel("no/body"), "no such repository, or it is private"),
        (HubModel("some/one", "v2"), "no such revision"),
        (HubModel("some/gated"), "gives access on request"),
        (
            HubModel("some/one", file="x/model.onnx"),
            "holds no x/model.onnx, but a.onnx, b.safetensors. Name one: hf://",
        ),
        (HubModel("some/one"), "holds no model.safetensors or model.onnx, but a.onnx, b.safetensors. Name one"),
        (HubModel("some/empty"), "holds no model.safetensors or model.onnx. Ask its owner"),
        (HubModel("some/huge"), "model.safetensors has 99999999999 bytes, and at most 2147483647 are fetched"),
        (HubModel("some/pickle"), "is no safetensors file"),
    ],
)
def test_errors_are_one_sentence(server: HubServer, model: HubModel, message: str) -> None:
    offer(server, a_onnx=ONNX, b_safetensors=b"", c_bin=b"")
    offer(server, "some/gated", model_onnx=ONNX)
    offer(server, "some/empty", README_md=b"")
    offer(server, "some/huge", huge_onnx=b"", model_safetensors=b"x")
    offer(server, "some/pickle", model_safetensors=pickle.dumps({"weights": [1] * 100}))
    server.gated = {"some/gated"}
    server.sizes = {"model.safetensors": 99999999999} if model.repo == "some/huge" else {}
    with pytest.raises(ModelFileError, match=message) as raised:
        model.fetch()
    assert str(model) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert server.fetched == (["model.safetensors"] if model.repo == "some/pickle" else [])


def test_a_file_of_another_program_is_refused(server: HubServer) -> None:
    empty = b'{"__metadata__":{}}'
    offer(server, model_safetensors=len(empty).to_bytes(8, "little") + empty)
    with pytest.raises(ModelFileError, match=r"models--some--one.* holds tensors but no record of a trained model"):
        Scorer.from_pretrained("some/one")


def command(server: HubServer, folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {"HF_ENDPOINT": server.address, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "linearityiqa", *words],
        cwd=folder,
        env=os.environ | settings | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_takes_addresses(server: HubServer, photos: list[Path], tmp_path: Path) -> None:
    offer(server, model_onnx=ONNX)
    (tmp_path / "model.onnx").write_bytes(ONNX)
    score = ("score", "--csv", "--device", "cpu", *map(str, photos))
    here = command(server, tmp_path, *score, "--model", "model.onnx")
    there = command(server, tmp_path, *score, "--model", f"hf://some/one@{NEW}")
    assert there.stdout == here.stdout
    assert here.stdout.count("\n") == len(photos) + 1
    offline = command(server, tmp_path, *score, "--model", f"hf://some/one@{NEW}", HF_HUB_OFFLINE="1")
    assert offline.stdout == here.stdout
    gone = command(server, tmp_path, *score, "--model", "hf://no/body")
    assert gone.returncode == 1
    assert gone.stderr.count("\n") == 1
    assert "cannot take hf://no/body from the hub" in gone.stderr


def test_export_and_test_write_beside_the_caller_not_into_the_cache(
    server: HubServer, safetensors: bytes, photo_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(server, model_safetensors=safetensors)
    monkeypatch.chdir(tmp_path)
    words = "test --model hf://some/one --resize -rs_h 64 -rs_w 80 --num_workers 0 --no_pbar --dataset"
    assert main([*words.split(), str(photo_database)]) == 0
    assert Path("runs/some--one/test-labels-test/results.json").is_file()
    assert output_of(ExportConfig(trained_model_file=Path("hf://some/one@v1"))) == Path("some--one.onnx")
