"""Model files by name: ``bundled``, the model in the package, or ``hf://OWNER/NAME[@REVISION][/FILE]``.

Those of the Hugging Face Hub are fetched once into its own cache.
"""

import importlib.resources
import importlib.util
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.extras import require
from linearityiqa.files import tensor_kind

logger = logging.getLogger(__name__)

BUNDLED = "bundled"
"""Name of the model in the package, in place of a model file."""
_FOLDER = Path(str(importlib.resources.files("linearityiqa"))) / "bundled"
_USUAL, _FAST = "model.onnx", "model-int8.onnx"

MAX_MODEL_BYTES = 2**31 - 1
"""Larger files are refused before they are fetched; no ONNX file can be larger."""
SUFFIXES = (".safetensors", ".onnx")
"""The only files that are fetched: nothing that could run code."""

_ADDRESS = re.compile(r"hf:/{1,2}([\w.-]+/[\w.-]+)(?:@([^/@]+))?(?:/(.+))?")  # Path makes one slash of two
_SHAPE = "it must be hf://OWNER/NAME[@REVISION][/FILE]"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TOO_MANY_REQUESTS = 429
_NO_CONNECTION = {"ConnectionError", "TimeoutError", "Timeout", "TransportError"}
"""Names of what a missing network raises: Python's own, those of requests, and those of httpx and httpx2; which of the
libraries is there depends on the version of huggingface_hub."""
_REASONS = {  # the first that fits: a GatedRepoError is a RepositoryNotFoundError
    "GatedRepoError": "its owner gives access on request. Ask on its page, then run: hf auth login",
    "RepositoryNotFoundError": "there is no such repository, or it is private (then run: hf auth login)",
    "RevisionNotFoundError": "there is no such revision. Name a branch, a tag or a commit",
}


@dataclass(frozen=True)
class HubModel:
    """A model on the hub; ConfigError where the parts are no valid address."""

    repo: str
    """``OWNER/NAME``."""
    revision: str | None = None
    """A branch, a tag or a commit, None for the main branch. Only a commit is always the same model."""
    file: str | None = None
    """Path in the repository; by default ``model.safetensors`` where torch is installed, else ``model.onnx``, or the
    one that exists."""

    def __post_init__(self) -> None:
        parts = [*self.repo.split("/"), *(self.revision or "main").split("/"), *(self.file or "file").split("/")]
        if self.repo.count("/") != 1 or not all(re.fullmatch(r"[^\s\\]+", part) and part.strip(".") for part in parts):
            raise ConfigError(f"{self} names no model on the hub: {_SHAPE}")
        if self.file is not None and PurePosixPath(self.file).suffix.lower() not in SUFFIXES:
            raise ConfigError(f"{self} names no {' or '.join(SUFFIXES)} file, and nothing else is fetched from the hub")

    @classmethod
    def of(cls, name: str | os.PathLike[str]) -> "HubModel | None":
        """Return the model that an address names; None for any other path; ConfigError if the address is malformed.

        >>> HubModel.of(Path("hf://someone/sharp@v1"))
        HubModel(repo='someone/sharp', revision='v1', file=None)
        """
        text = os.fspath(name)
        if not text.startswith("hf:/"):
            return None
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ConfigError(f"{text} names no model on the hub: {_SHAPE}")
        repo, revision, file = match.groups()
        return cls(repo, None if revision is None else unquote(revision), file)

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"hf://{self.repo}{revision}{'' if self.file is None else f'/{self.file}'}"

    @property
    def folder(self) -> str:
        """A name for a folder of results."""
        return self.repo.replace("/", "--")

    def fetch(self) -> Path:
        """Return the local file, in the hub's cache (HF_HOME); fetched where it is not there yet, or has changed.

        HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to huggingface_hub. Where the hub cannot be reached
        the cached file is used, with a warning unless HF_HUB_OFFLINE asks for it. ModelFileError: it does not exist, is
        not open to this user, is too large or no model, or cannot be fetched.
        """
        hub = require("huggingface_hub", "hub")
        errors = require("huggingface_hub.errors", "hub")
        usual = [f"model{suffix}" for suffix in SUFFIXES]
        if importlib.util.find_spec("torch") is None:
            usual.reverse()
        unreachable: Exception | None = None
        try:
            for file in usual if self.file is None else [self.file]:
                try:
                    if unreachable is None:
                        unreachable = self._unreachable(hub, errors, file)
                    path = hub.hf_hub_download(
                        self.repo, file, revision=self.revision, local_files_only=unreachable is not None
                    )
                except errors.EntryNotFoundError:
                    continue
                if unreachable is not None and not isinstance(unreachable, errors.OfflineModeIsEnabled):
                    logger.warning(
                        "the hub cannot be reached (%s): %s is the file in the cache, and the hub's may be newer",
                        _on_one_line(unreachable),
                        self,
                    )
                return self._checked(Path(path))
        except errors.HFValidationError as cause:
            raise ConfigError(f"{self} names no model on the hub: {cause}") from cause
        except (errors.HfHubHTTPError, OSError, ValueError) as cause:
            reasons = [reason for kind, reason in _REASONS.items() if isinstance(cause, getattr(errors, kind))]
            raise self._refused([*reasons, _on_one_line(cause)][0]) from cause
        if unreachable is not None:
            offline = isinstance(unreachable, errors.OfflineModeIsEnabled)
            reason = "HF_HUB_OFFLINE is set" if offline else f"the hub cannot be reached ({_on_one_line(unreachable)})"
            raise self._refused(f"{reason}, and it is not in the cache") from unreachable
        raise self._refused(self._what_is_there(hub))

    def _unreachable(self, hub: Any, errors: Any, file: str) -> Exception | None:
        """Return the failure to reach the hub, or None once it has answered that the file may be fetched."""
        if _COMMIT.fullmatch(self.revision or ""):
            cached = hub.try_to_load_from_cache(self.repo, file, revision=self.revision)
            if isinstance(cached, str):
                return None  # a commit never changes
        url = hub.hf_hub_url(self.repo, file, revision=self.revision)
        try:
            size = hub.get_hf_file_metadata(url).size
        except (errors.HfHubHTTPError, errors.EntryNotFoundError) as cause:
            refusal: Exception = cause
            status = getattr(getattr(cause, "response", None), "status_code", 0)
            if status < 500 and status != _TOO_MANY_REQUESTS:
                raise
            return refusal
        except Exception as cause:
            if not _NO_CONNECTION & {kind.__name__ for kind in type(cause).__mro__}:
                raise self._refused(_on_one_line(cause)) from cause
            return cause
        if size is None or size > MAX_MODEL_BYTES:
            amount = "an unknown number of" if size is None else str(size)
            raise self._refused(f"{file} has {amount} bytes, and at most {MAX_MODEL_BYTES} are fetched")
        return None

    def _checked(self, path: Path) -> Path:
        """Return a fetched file whose content is what its name says: no pickle named as safetensors is ever opened."""
        with path.open("rb") as stream:
            start = stream.read(64)
        if path.suffix.lower() == ".safetensors" and tensor_kind(start) != "safetensors":
            raise ModelFileError(
                f"{self} is refused: {path.name} is no safetensors file. Ask its owner for another one."
            )
        return path

    def _what_is_there(self, hub: Any) -> str:
        """Return the model files in a repository that lacks the one looked for, as the end of a sentence."""
        looked_for = self.file or " or ".join(f"model{suffix}" for suffix in SUFFIXES)
        try:
            siblings = hub.model_info(self.repo, revision=self.revision, timeout=10).siblings or []
            files = sorted(sibling.rfilename for sibling in siblings)
        except Exception:  # only the remedy is lost with the list
            files = []
        found = [file for file in files if PurePosixPath(file).suffix.lower() in SUFFIXES]
        if not found:
            return f"it holds no {looked_for}. Ask its owner for a file of linearityiqa"
        shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        return f"it holds no {looked_for}, but {shown}. Name one: hf://OWNER/NAME[@REVISION]/FILE"

    def _refused(self, reason: str) -> ModelFileError:
        return ModelFileError(f"cannot take {self} from the hub: {reason.rstrip('.')}.")


def _on_one_line(cause: Exception) -> str:
    """Return the message of an exception on one line."""
    return " ".join(str(cause).split()) or type(cause).__name__


def local_model(name: str | os.PathLike[str], *, for_torch: bool = False) -> Path:
    """Return the file of a model: a path as it is, the file of an address on the hub in its cache, or the package's.

    Args:
        name: a path, an address on the hub, or ``bundled``; an existing file of that name is taken itself.
        for_torch: of ``bundled`` take the weights for torch, not the ONNX file.

    Raises:
        ConfigError, ModelFileError, MissingExtraError: as `HubModel.fetch`.
        ModelFileError: the installation lacks the model of the package.
    """
    path = Path(name)
    if str(path) == BUNDLED and not path.exists():
        return bundled_weights() if for_torch else bundled_model()
    model = HubModel.of(name)
    return path if model is None else model.fetch()


def bundled_model(*, fast: bool = False) -> Path:
    """Return the ONNX file of the model in the package, that in 8 bits if `fast`.

    Raises:
        ModelFileError: the installation lacks it.
    """
    return _in_package(_FAST if fast else _USUAL)


def bundled_weights() -> Path:
    """Return the same model for torch, to train further (float16; `linearityiqa train --init bundled`)."""
    return _in_package("model.safetensors")


def bundled_card() -> Path:
    """Return the card of the model (Markdown): its training data, its figures and its limits."""
    return _in_package("card.md")


def is_bundled(path: Path) -> bool:
    """Return whether a path is that of the model in the package."""
    return path.resolve() in ((_FOLDER / name).resolve() for name in (_USUAL, _FAST))


def _in_package(name: str) -> Path:
    path = _FOLDER / name
    if not path.is_file():
        raise ModelFileError(
            f"the installation lacks {name} of the model in the package: name one of your own with --model FILE, "
            "or install linearityiqa again"
        )
    return path
