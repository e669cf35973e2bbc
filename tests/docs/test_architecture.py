"""The architecture page. Oracles: the contract of import-linter, and the folder of the sources."""

import re
import tomllib

from fences import ROOT, fences

PAGE = ROOT / "docs" / "architecture.md"


def test_layers_are_those_that_import_linter_holds() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    shown = next(fence.lines for fence in fences(PAGE) if fence.language == "text")
    assert shown == linter["contracts"][0]["layers"]


def test_every_room_has_its_sentence() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+\. \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    rooms = {
        p.stem for p in (ROOT / "src/linearityiqa").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }
    assert sorted(rows) == sorted(rooms - {"__init__", "__main__"})


def test_files_that_the_page_names_exist() -> None:
    named = re.findall(r"`(\w+(?:/\w+)*\.py)`", PAGE.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / "src/linearityiqa" / name).is_file()] == []
