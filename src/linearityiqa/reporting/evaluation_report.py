"""The evaluation report: one page that shows how well methods agree with opinion scores, and where they err."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import decode
from linearityiqa.reporting.diagnosis import Method, histogram_grid, mapping_grid, residual_grid
from linearityiqa.reporting.html import HtmlReport, Thumbnail
from linearityiqa.reporting.style import figure_bytes
from linearityiqa.reporting.tables import Table

WORST = 12
"""How many of the worst images are shown of each method."""
THUMBNAIL = (320, 240)
"""Most pixels of a thumbnail, width and height: twice what a page shows."""


@dataclass(frozen=True, eq=False)
class ReportContent:
    """What an evaluation report says.

    Attributes:
        title: its first heading.
        lead: what was judged, in a sentence or two.
        names: of the images, in the order of every method's values.
        methods: predictions of each method, with its mapping.
        mapping: name of that mapping.
        agreement: tables of every figure of each method, with intervals.
        comparison: tables that compare the methods; none for a single one.
        verdicts: what the comparison says in words.
        groups: tables of the agreement within groups of images.
        notes: what there is to know besides, a sentence each.
        commands: what made the report.
    """

    title: str
    lead: str
    names: Sequence[str]
    methods: Sequence[Method]
    mapping: str
    agreement: Sequence[Table]
    comparison: Sequence[Table] = ()
    verdicts: Sequence[str] = ()
    groups: Sequence[Table] = ()
    notes: Sequence[str] = ()
    commands: Sequence[str] = ()


def evaluation_report(content: ReportContent, image_dir: Path | None = None) -> HtmlReport:
    """Put the report together.

    Args:
        content: what it says.
        image_dir: the folder that image names are relative to, for thumbnails of the worst images; without it they are
            named only.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    report = HtmlReport(content.title, content.lead)
    for note in content.notes:
        report.notice(note)
    report.section("Agreement")
    _tables(report, content.agreement)
    _figures(report, content)
    if content.comparison:
        report.section("Comparison")
        report.bullets(content.verdicts)
        _tables(report, content.comparison)
    if content.groups:
        report.section("Groups of images")
        _tables(report, content.groups)
    _worst_images(report, content, image_dir)
    if content.commands:
        report.section("How this was made")
        report.code("\n".join(content.commands))
    return report


def _tables(report: HtmlReport, tables: Sequence[Table]) -> None:
    for table in tables:
        report.table(table)


def _figures(report: HtmlReport, content: ReportContent) -> None:
    count = len(content.names)
    names = ", ".join(method.name for method in content.methods)
    report.section("Predictions and MOS")
    report.figure(
        figure_bytes(mapping_grid(content.methods)),
        alt=f"Scatter plots of MOS against the predictions of {names}, with the {content.mapping} mapping as a line.",
        caption=f"{count} images; the line is the {content.mapping} mapping, fitted to these images.",
    )
    report.section("Residuals")
    report.figure(
        figure_bytes(residual_grid(content.methods)),
        alt=f"Mapped prediction minus MOS against MOS for {names}.",
        caption=(
            "Mapped prediction minus MOS, with mean and standard deviation in ranges of MOS that hold equally many "
            "images. A slope down is regression to the mean: what least squares does to noisy predictions."
        ),
    )
    report.section("Distributions")
    report.figure(
        figure_bytes(histogram_grid(content.methods)),
        alt=f"Histograms of the MOS and of the mapped predictions of {names}.",
        caption="How many images have which MOS and which mapped prediction.",
    )


def _worst_images(report: HtmlReport, content: ReportContent, image_dir: Path | None) -> None:
    report.section("Worst images")
    for method in content.methods:
        report.subsection(method.name)
        residuals = method.residuals
        worst = np.argsort(-np.abs(residuals), kind="stable")[:WORST]
        report.gallery(
            [
                Thumbnail(
                    thumbnail(image_dir, content.names[row]) if image_dir is not None else None,
                    f"Image {content.names[row]}",
                    f"{content.names[row]}: predicted {method.mapped[row]:.1f}, MOS {method.mos[row]:.1f} "
                    f"({residuals[row]:+.1f})",
                )
                for row in worst.tolist()
            ]
        )


def thumbnail(folder: Path, name: str) -> bytes | None:
    """A small JPEG of an image in `folder`; None for one that cannot be decoded, or whose name leads out of it."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    try:
        image = decode(folder / name).image
    except UnreadableImageError:
        return None
    factor = min(1.0, THUMBNAIL[0] / image.width, THUMBNAIL[1] / image.height)
    size = (math.ceil(image.width * factor), math.ceil(image.height * factor))
    stream = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0).save(stream, "JPEG", quality=80)
    return stream.getvalue()
