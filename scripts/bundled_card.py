"""Write the card of the model in the package, from what the benchmarks have measured and a few odd images.

    python scripts/bundled_card.py --peers peers.json --elsewhere elsewhere.json

The methods in these files (of `benchmarks/peers.py` and `elsewhere.py`) are called "bundled", "before" (an earlier
model) and BRISQUE; one that was not measured this time keeps its earlier figures. Figures go into bundled/figures.json,
the card into bundled/card.md and docs/model_card.md.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from PIL import Image, ImageDraw

from linearityiqa import Scorer
from linearityiqa.hub import bundled_model
from linearityiqa.scoring.onnx_file import read_onnx

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "linearityiqa" / "bundled"
FIGURES, CARDS = PACKAGE / "figures.json", (PACKAGE / "card.md", ROOT / "docs" / "model_card.md")
TEMPLATE = Path(__file__).with_name("bundled_card.md")
BUNDLED = "bundled"
NAMES = {BUNDLED: "this model", "before": "the model of version 1.0.0"}
PERCENT = ("pairs of versions in order", "mean change")
"""Groups of figures of `elsewhere.py` that are shares."""
SUBSETS = {"all": "all", "ss01": "ss01", "ss02": "ss02", "ss03": "ss03 (Unsplash)"}


def odd_images() -> dict[str, Image.Image]:
    """Images of kinds that the model has hardly seen; the photographs are scikit-image's."""
    coffee, portrait = (Image.fromarray(image) for image in (skimage.data.coffee(), skimage.data.astronaut()))
    cat = Image.fromarray(skimage.data.chelsea())
    found = {
        "a cup of coffee, 600 x 400": coffee,
        "a cat, 451 x 300": cat,
        "a portrait, 512 x 512": portrait,
        "the coffee at night (a twentieth of the light)": coffee.point(lambda level: round(level / 20)),
        "the coffee as a thumbnail, 48 x 32": coffee.resize((48, 32), Image.Resampling.LANCZOS),
        "the coffee enlarged to 50 megapixels": coffee.resize((8660, 5774), Image.Resampling.LANCZOS),
        "a page of text": page_of_text(),
        "a drawing of lines and discs": drawing(),
        "noise alone": Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)),
    }
    for name in ("black", "grey", "white"):
        found[f"nothing but {name}"] = Image.new("RGB", (600, 400), name)
    return found


def page_of_text() -> Image.Image:
    """Black on white."""
    sentence = "The quality of a page of text is another matter. " * 2
    page = Image.new("RGB", (600, 400), "white")
    for line in range(24):
        ImageDraw.Draw(page).text((20, 10 + 16 * line), sentence, "black")
    return page


def drawing() -> Image.Image:
    """Lines and circles on white."""
    sheet = Image.new("RGB", (600, 400), "white")
    pen = ImageDraw.Draw(sheet)
    for number in range(12):
        pen.ellipse((40 * number, 20 * number, 40 * number + 120, 20 * number + 120), outline="black", width=3)
        pen.line((0, 30 * number, 600, 400 - 30 * number), fill="darkred", width=2)
    return sheet


def odd_scores() -> dict[str, float]:
    """Scores of the odd images by the model in the package."""
    scorer = Scorer(max_pixels=60_000_000)
    return {name: round(scorer.score(image), 1) for name, image in odd_images().items()}


def interval(figure: list[float]) -> str:
    """A figure and the bounds of its interval."""
    value, low, high = figure
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def as_words(part: dict[str, Any]) -> str:
    """A figure of `elsewhere.py` with its interval."""
    if part["group"] not in PERCENT:
        return interval(part["value"])
    value, low, high = (100 * each for each in part["value"])
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"


def rows(table: Mapping[str, list[str]]) -> str:
    """Lines of a table in Markdown."""
    return "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in table.items())


def write(found: dict[str, Any]) -> None:
    """Write figures and cards."""
    own = found["methods"][BUNDLED]
    model = read_onnx(bundled_model())
    agreement = own["agreement"]
    models = found["elsewhere"]["models"]
    text = TEMPLATE.read_text().format(
        onnx=f"{bundled_model().stat().st_size / 1e6:.1f}",
        torch=f"{bundled_model().with_suffix('.safetensors').stat().st_size / 1e6:.1f}",
        epoch=model.note.record.epoch,
        agreement=rows(
            {
                name: [
                    str(agreement[key]["images"]),
                    *(interval(agreement[key][figure]) for figure in ("SROCC", "PLCC")),
                    f"{agreement[key]['RMSE']:.1f}",
                ]
                for key, name in SUBSETS.items()
                if key in agreement
            }
        ),
        peers=rows(
            {
                NAMES.get(name, name): [interval(one["agreement"]["all"][figure]) for figure in ("SROCC", "PLCC")]
                for name, one in found["methods"].items()
            }
        ),
        methods=" | ".join(NAMES.get(name, name) for name in found["methods"]),
        rules="|".join("---" for _ in found["methods"]),
        order=rows(
            {
                kind: [
                    f"{one['order'][kind]['in_order']:.1%}" if kind in one["order"] else "not measured"
                    for one in found["methods"].values()
                ]
                for kind in own["order"]
            }
        ),
        change=rows(
            {kind: [f"{one['change'][kind]:.1%}" for one in found["methods"].values()] for kind in own["change"]}
        ),
        models=" | ".join(NAMES.get(name, name) for name in models),
        model_rules="|".join("---" for _ in models),
        elsewhere="\n".join(
            f"| {part['group']}: {part['name']} | {part['used']} | {part['images']} | "
            + " | ".join(as_words(model["figures"][row]) for model in models.values())
            + " |"
            for row, part in enumerate(models[BUNDLED]["figures"])
        ),
        chosen=" | ".join(interval(model["mean of what is used to choose"]) for model in models.values()),
        odd=rows({name: [f"{score:.1f}"] for name, score in found["odd images"].items()}),
    )
    FIGURES.write_text(json.dumps(found, indent=1) + "\n")
    for path in CARDS:
        path.write_text(text)


def main() -> None:
    """Score the odd images, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="what benchmarks/peers.py wrote")
    parser.add_argument("--elsewhere", type=Path, required=True, help="what benchmarks/elsewhere.py wrote")
    options = parser.parse_args()
    earlier = json.loads(FIGURES.read_text())["methods"] if FIGURES.exists() else {}
    peers = json.loads(options.peers.read_text())
    write(
        {
            "methods": peers | {name: figures for name, figures in earlier.items() if name not in peers},
            "elsewhere": json.loads(options.elsewhere.read_text()),
            "odd images": odd_scores(),
        }
    )


if __name__ == "__main__":
    main()
