"""Versions that stand in several files. Oracle: pyproject.toml."""

import re
import tomllib
from importlib.metadata import version

import pytest

from fences import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def test_the_version_is_one() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, day = re.findall(r"^## \[(\d[\d.]*)\] - (\S+)$", changes, re.MULTILINE)[0]
    assert PROJECT["version"] == newest
    assert f"version: {newest}\n" in citation
    assert f"date-released: {day}\n" in citation


def test_pre_commit_has_the_formatter_of_the_environment() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    rev = re.search(r"ruff-pre-commit\n\s+rev: v(\d+\.\d+)\.", hooks)
    pinned = next(line for line in EXTRAS["dev"] if line.startswith("ruff"))
    assert rev is not None
    assert pinned == f"ruff=={rev[1]}.*"
    assert version("ruff").startswith(rev[1])


@pytest.mark.parametrize("extra", ["", *(name for name in EXTRAS if name not in ("all", "dev", "docs", "ray"))])
def test_lower_bounds_are_those_that_were_tried(extra: str) -> None:
    file = "lower-bounds-export.txt" if extra == "export" else "lower-bounds.txt"
    lines = (ROOT / ".github" / file).read_text(encoding="utf-8").splitlines()
    tried = dict(line.lower().split("==") for line in lines if re.match(r"[\w-]+==", line))
    for requirement in EXTRAS[extra] if extra else PROJECT["dependencies"]:
        name, _, bound = requirement.lower().partition(">=")
        if bound and not name.startswith("linearityiqa"):
            assert tried[name] == bound or tried[name].startswith(f"{bound}."), name
