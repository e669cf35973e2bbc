"""`linearityiqa datasets list`, `check` and `stats`: describe databases."""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from linearityiqa.config import CheckConfig, ListConfig, StatsConfig
from linearityiqa.console import say
from linearityiqa.data.checks import TITLES, Finding, Report, audit
from linearityiqa.data.databases.description import Description, Distribution, describe_database
from linearityiqa.data.databases.published import KNOWN
from linearityiqa.data.databases.published.release import KnownDatabase
from linearityiqa.files import write_bytes
from linearityiqa.reporting import COLUMN_WIDTH, Line, Panel, Table, figure_bytes, line_grid

BAR = 40
"""Length of the longest bar, in characters."""


def contents(images: int, references: int | None, splits: Mapping[str, int] | None) -> str:
    """Return the numbers of images, of references where known, and of images in each split as text."""
    of = f" of {references} references" if references is not None else ""
    return f"{images} images{of} ({', '.join(f'{n} {name}' for name, n in (splits or {}).items()) or 'no split'})"


def list_known(config: ListConfig) -> int:
    """Print the databases known by name."""
    entries = [entry_of(known) for known in KNOWN.values()]
    if config.json:
        say(json.dumps(entries))
        return 0
    print("\n\n".join(entry_text(entry) for entry in entries))
    print("\nAny other database: --dataset FILE.csv with the columns image_name and mos.")
    return 0


def entry_of(known: KnownDatabase) -> dict[str, Any]:
    """Return facts about a known database, and which of its files the current folder holds."""
    labels = next((path for path in known.label_files(None) if path.is_file()), None)
    folder = Path(known.name)
    return {
        "name": known.name,
        "images": known.images,
        "scale": str(known.scale),
        "licence": known.licence,
        "source": known.source,
        "note": known.note,
        "image_folder": known.name,
        "link_target": known.link_target,
        "label_files": [known.info_file, *known.release_files],
        "labels_here": None if labels is None else str(labels),
        "folder_here": folder.is_dir(),
    }


def entry_text(entry: dict[str, Any]) -> str:
    """Return `entry_of` as text."""
    if entry["labels_here"] and entry["folder_here"]:
        here = f"yes: {entry['image_folder']}, labels in {entry['labels_here']}"
    elif entry["labels_here"]:
        here = f"the labels are ({entry['labels_here']}), the folder {entry['image_folder']} is not"
    elif entry["folder_here"]:
        here = f"the folder {entry['image_folder']} is, the labels are not"
    else:
        here = f"no; get it, then: ln -s /path/to/{entry['link_target']} {entry['image_folder']}"
    lines = [
        f"{entry['name']}: {entry['images']} images, MOS {entry['scale']}",
        f"  from     {entry['source']}",
        f"  licence  {entry['licence']}",
        f"  labels   {' or '.join(entry['label_files'])}",
        *([f"  note     {entry['note']}"] if entry["note"] else []),
        f"  here     {here}",
    ]
    return "\n".join(lines)


def check(config: CheckConfig) -> int:
    """Print the errors of a database and remarks on it; exit status 1 on errors."""
    report = audit(config)
    if config.json:
        say(json.dumps(report.as_dict()))
    else:
        say(*report_lines(report, config.listed))
    return 1 if report.errors else 0


def report_lines(report: Report, listed: int) -> Iterator[str]:
    """Yield the lines of a report, with at most `listed` findings of each kind (0: all)."""
    found = contents(report.images, None, report.splits)
    yield f"{report.name}: {found} in {report.folder}, labels in {report.labels}"
    for title, group in groupby(report.findings, _title):
        findings = list(group)
        yield ""
        yield f"{title} ({len(findings)})"
        shown = findings[: listed or None]
        yield from (f"  - {finding.message}" for finding in shown)
        if len(findings) > len(shown):
            yield f"  and {len(findings) - len(shown)} more (--listed 0 prints all)"
    yield ""
    errors, remarks = len(report.errors), len(report.remarks)
    verdict = f"{_count(errors, 'error')}, {_count(remarks, 'remark')}" if errors or remarks else "nothing is wrong"
    yield f"{verdict}; checked in {report.seconds:.1f} s"


def _title(finding: Finding) -> str:
    kind = TITLES[finding.kind]
    return f"LEAK between splits: {kind}" if finding.leak else f"{finding.severity}: {kind}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def stats(config: StatsConfig) -> int:
    """Print figures and histograms of a database, and draw the histogram of MOS into `--output`."""
    description = describe_database(config)
    if config.output is not None:
        draw(description, config.output)
    say(*([json.dumps(description.as_dict())] if config.json else description_lines(description)))
    if config.output is not None and not config.json:
        say("", f"histograms: {config.output}")
    return 0


def description_lines(description: Description) -> Iterator[str]:
    """Yield the lines of a description of a database."""
    found = contents(description.images, description.references, description.splits)
    yield f"{description.name}: {found}, labels in {description.labels}"
    yield f"MOS {description.scale}"
    for distribution in description.distributions:
        yield ""
        yield from table_of(distribution).to_text().splitlines()
        yield ""
        yield from histogram(distribution)
    if description.sizes:
        others = f", {description.other_sizes} of other sizes" if description.other_sizes else ""
        yield ""
        yield "width x height: " + ", ".join(f"{n} of {size}" for size, n in description.sizes.items()) + others


def table_of(distribution: Distribution) -> Table:
    """Return a table of the figures of a distribution, a row for each split."""
    columns = list(distribution.figures["all"])
    rows = [[name, *(int(v) if c == "n" else v for c, v in f.items())] for name, f in distribution.figures.items()]
    return Table(distribution.quantity, ["split", *(column.replace("_", " ") for column in columns)], rows, decimals=3)


def histogram(distribution: Distribution) -> Iterator[str]:
    """Yield the lines of a histogram: a bar for all images, and the percentage of each split in that bin."""
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
    """Draw the share of each split in every bin of MOS into a PNG file."""
    mos = description.distributions[0]
    middles = np.convolve(mos.edges, (0.5, 0.5), "valid")
    lines = [
        Line(name, middles, 100 * np.array(counts) / sum(counts)) for name, counts in mos.counts.items() if any(counts)
    ]
    panel = Panel(title=description.name, y_label="% of the images", lines=lines)
    figure = line_grid([[panel]], x_label=f"MOS, middle of the bin ({len(middles)} bins)", width=COLUMN_WIDTH)
    figure.axes[0].set_ylim(bottom=0)
    write_bytes(path, figure_bytes(figure))
