"""`linearityiqa datasets stats`: a database in figures."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from linearityiqa.cli.parsing import parse
from linearityiqa.config import StatsConfig
from linearityiqa.data.databases.description import Description, Distribution, describe_database
from linearityiqa.files import write_bytes
from linearityiqa.reporting import COLUMN_WIDTH, Line, Panel, Table, figure_bytes, line_grid

DESCRIPTION = (
    "Describe a database: images, references, splits, and how MOS, its standard deviation and the sizes of the images "
    "are distributed, over all images and over each split."
)

BAR = 40
"""Length of the longest bar, in characters."""


def main(argv: Sequence[str]) -> int:
    """Parse, read, print, draw."""
    config = parse(StatsConfig, argv, prog="linearityiqa datasets stats", description=DESCRIPTION)
    description = describe_database(config)
    if config.output is not None:
        draw(description, config.output)
    print(json.dumps(description.as_dict()) if config.json else "\n".join(lines_of(description)))
    if config.output is not None and not config.json:
        print(f"\nhistograms: {config.output}")
    return 0


def lines_of(description: Description) -> Iterator[str]:
    """The description as text."""
    references = f" of {description.references} references" if description.references is not None else ""
    splits = ", ".join(f"{count} {name}" for name, count in description.splits.items()) or "no split"
    yield f"{description.name}: {description.images} images{references} ({splits}), labels in {description.labels}"
    yield f"MOS {description.scale}"
    for distribution in description.distributions:
        yield ""
        yield table_of(distribution).to_text()
        yield ""
        yield from histogram(distribution)
    if description.sizes:
        others = f", {description.other_sizes} of other sizes" if description.other_sizes else ""
        yield ""
        yield "width x height: " + ", ".join(f"{n} of {size}" for size, n in description.sizes.items()) + others


def table_of(distribution: Distribution) -> Table:
    """The figures of each split, one row each."""
    columns = list(distribution.figures["all"])
    rows = [[name, *(int(v) if c == "n" else v for c, v in f.items())] for name, f in distribution.figures.items()]
    return Table(distribution.quantity, ["split", *(column.replace("_", " ") for column in columns)], rows, decimals=3)


def histogram(distribution: Distribution) -> Iterator[str]:
    """Bars of all images, and beside them the per cent of each split that falls into the bin."""
    counts = distribution.counts
    splits = [name for name in counts if name != "all" and any(counts[name])]
    most = max(counts["all"])
    width = len(f"{most}")
    borders = [f"{edge:.3g}" for edge in distribution.edges]
    room = max(map(len, borders))
    if splits:
        yield f"{'':{2 * room + 4 + width + 2 + BAR}}  " + "  ".join(f"{name:>5}" for name in splits)
    for bin_number, count in enumerate(counts["all"]):
        bar = "█" * round(BAR * count / most)
        shares = (f"{counts[name][bin_number] / sum(counts[name]):5.0%}" for name in splits)
        span = f"{borders[bin_number]:>{room}} .. {borders[bin_number + 1]:>{room}}"
        yield f"{span}  {count:>{width}} {bar:<{BAR}}  {'  '.join(shares)}".rstrip()


def draw(description: Description, path: Path) -> None:
    """Draw the share of each split in every bin of MOS into a PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    mos = description.distributions[0]
    middles = np.convolve(mos.edges, (0.5, 0.5), "valid")
    lines = [
        Line(name, middles, 100 * np.array(counts) / sum(counts)) for name, counts in mos.counts.items() if any(counts)
    ]
    panel = Panel(title=description.name, y_label="% of the images", lines=lines)
    figure = line_grid([[panel]], x_label=f"MOS, middle of the bin ({len(middles)} bins)", width=COLUMN_WIDTH)
    figure.axes[0].set_ylim(bottom=0)
    write_bytes(path, figure_bytes(figure))
