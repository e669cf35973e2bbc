"""Drawn items as files: figures, tables, the JSON of every number, and one HTML report of all."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from linearityiqa.files import write_text
from linearityiqa.reporting import HtmlReport, figure_bytes, save_figure
from linearityiqa.reproduce.compare import comparison_table
from linearityiqa.reproduce.item import Drawn, Item


def save_drawn(name: str, drawn: Drawn, folder: Path) -> tuple[Path, ...]:
    """Write an item: PDF and PNG of each figure, Markdown, LaTeX and CSV of each table, `name`.json of all numbers.

    Returns:
        The files written.

    Raises:
        OSError: the folder cannot be written.
    """
    written: list[Path] = []
    for stem, picture in drawn.pictures.items():
        written += save_figure(picture.figure, folder, stem)
    for stem, table in drawn.tables.items():
        for suffix, text in (("md", table.to_markdown()), ("tex", table.to_latex()), ("csv", table.to_csv())):
            written.append(folder / f"{stem}.{suffix}")
            write_text(written[-1], text)
    written.append(folder / f"{name}.json")
    write_text(written[-1], numbers_json(name, drawn))
    return tuple(written)


def numbers_json(name: str, drawn: Drawn) -> str:
    """Every number of an item as JSON; equal results give equal text."""
    content = {
        "item": name,
        **drawn.numbers,
        "sentences": list(drawn.sentences),
        "comparisons": [comparison.as_dict() for comparison in drawn.comparisons],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def write_report(
    path: Path,
    drawn: Mapping[Item, Drawn],
    *,
    failures: Mapping[Item, str],
    environment: Mapping[str, object],
    commands: Sequence[str] = (),
    notices: Sequence[str] = (),
) -> None:
    """Write one self-contained HTML page with every item.

    Args:
        path: the page.
        drawn: items in the order of the page.
        failures: the sentence of each item that could not be drawn.
        environment: versions, device, seed and the like, by name.
        commands: the command of each run.
        notices: what a reader must know before all else.

    Raises:
        OSError: the page cannot be written.
    """
    report = HtmlReport("The paper's figures and tables, reproduced", "Norm-in-Norm loss for image quality assessment.")
    for notice in notices:
        report.notice(notice)
    for item, one in drawn.items():
        report.section(f"{item.name}: {item.title}")
        for picture in one.pictures.values():
            report.figure(figure_bytes(picture.figure), alt=f"{item.title}. {picture.caption}", caption=picture.caption)
        report.bullets(one.sentences)
        for table in one.tables.values():
            report.table(table)
        if one.comparisons:
            report.table(comparison_table(one.comparisons))
    if failures:
        report.section("Not drawn")
        report.bullets(list(failures.values()))
    report.section("Environment")
    report.facts(environment)
    if commands:
        report.section("Commands")
        report.code("\n".join(commands), label="Commands of the runs")
    report.write(path)
