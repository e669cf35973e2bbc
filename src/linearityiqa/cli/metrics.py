"""`linearityiqa metrics`: judge predictions of any method, and compare several."""

import json
import logging
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from linearityiqa.config import MetricsConfig, command_words
from linearityiqa.console import say
from linearityiqa.errors import ConfigError, MissingExtraError
from linearityiqa.evaluation.comparison import MOS_RANGES, Comparison, compare_methods
from linearityiqa.evaluation.methods import Methods, read_methods, short_names
from linearityiqa.files import write_text
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import FIGURES, MAIN_FIGURES
from linearityiqa.reporting import Table
from linearityiqa.reporting.evaluation_report import (
    ReportContent,
    agreement_table,
    better_table,
    differences_table,
    evaluation_report,
    figures_table,
    groups_table,
    mappings_table,
    pairs_table,
    parametric_table,
)
from linearityiqa.reporting.scatter import Method

logger = logging.getLogger(__name__)


def metrics(config: MetricsConfig) -> int:
    """Compute the agreement of predictions with MOS, write it into `--output`, and print it."""
    if not config.files:
        raise ConfigError(
            "there is nothing to judge: name CSV files with the columns image_name, prediction and mos, as in "
            "linearityiqa metrics mine.csv other.csv, or scores and labels: linearityiqa metrics scores.csv --labels "
            "mos.csv"
        )
    methods = read_methods(config.files, config.by, config.mos_std_scale, config.labels)
    found = compare_methods(methods, config)
    short = short_names(list(methods.predictions))
    shown = found.renamed(short)
    plain = {"files": [str(path) for path in config.files], **found.as_dict()}
    if config.output is not None:  # before the printing, which ends where the reader of the output has gone
        write_all(config.output, found, json.dumps(plain, allow_nan=False, indent=1))
        try:
            report = evaluation_report(report_content(config, methods.renamed(short), shown), config.image_dir)
            report.write(config.output / "report.html")
            logger.info("report: %s", config.output / "report.html")
        except MissingExtraError as missing:  # matplotlib
            logger.warning("no report.html: %s", missing)
    say(*([json.dumps(plain, allow_nan=False)] if config.json else readable(shown, config, short)))
    return 0


def readable(found: Comparison, config: MetricsConfig, short: Mapping[str, str]) -> Iterator[str]:
    """Yield lines of text: tables, verdicts, notes, and the full names of the methods."""
    yield from agreement_table(found.agreements).to_text().splitlines()
    if found.comparison is not None:
        yield from ("", *(pair.verdict(config.figure) for pair in found.comparison.pairs))
        if len(found.agreements) > 2:
            yield from ("", *better_table(found.comparison, config.figure).to_text().splitlines())
        mapped = (f"PLCC_{config.mapping}", f"RMSE_{config.mapping}")
        figures = sorted({*FIGURES, config.figure, *mapped})  # metrics.json holds all
        yield from ("", *differences_table(found.comparison, figures).to_text().splitlines())
    for table in (*group_tables(found, config.mapping), *([pairs_table(found.pairs)] if found.pairs else [])):
        yield from ("", *table.to_text().splitlines())
    if found.notes:
        yield from ("", *(f"Note: {note}" for note in found.notes))
    if any(name != own for own, name in short.items()):
        yield from ("", "Shortened names:", *(f"  {name} = {own}" for own, name in short.items() if name != own))


def group_tables(found: Comparison, mapping: str) -> list[Table]:
    """Return tables of figures by group, one for each way of grouping the images."""
    return [
        groups_table(groups, f"By {'range of MOS' if by == MOS_RANGES else by}, errors after the {mapping} mapping")
        for by, groups in found.groups.items()
    ]


def write_all(folder: Path, found: Comparison, plain: str) -> None:
    """Write metrics.json and the tables as CSV."""
    write_text(folder / "metrics.json", plain + "\n")
    tables = {"figures": figures_table(found.agreements), "mappings": mappings_table(found.agreements)}
    if found.comparison is not None:
        tables |= {"differences": differences_table(found.comparison), "tests": parametric_table(found.comparison)}
    tables |= {f"groups-{number}": table for number, table in enumerate(group_tables(found, ""), start=1)}
    if found.pairs:
        tables["pairs"] = pairs_table(found.pairs)
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv())


def report_content(config: MetricsConfig, methods: Methods, found: Comparison) -> ReportContent:
    """Return the content of report.html."""
    comparison = found.comparison
    lead = f"{', '.join(found.agreements)} on {len(methods.images)} images"
    if comparison is not None:
        lead += f", with {config.confidence:.0%} bootstrap intervals ({config.resamples} resamples)"
    return ReportContent(
        title="Agreement with opinion scores",
        lead=f"{lead}.",
        names=methods.images,
        methods=[
            Method(
                name,
                methods.predictions[name],
                methods.mos,
                one.mapped[config.mapping].mapping if config.mapping in one.mapped else LinearMapping(),
                {figure: value for figure in MAIN_FIGURES if (value := one.figures()[figure]) is not None},
            )
            for name, one in found.agreements.items()
        ],
        mapping=config.mapping,
        agreement=[agreement_table(found.agreements), mappings_table(found.agreements)],
        comparison=[]
        if comparison is None
        else [better_table(comparison, config.figure), differences_table(comparison), parametric_table(comparison)],
        verdicts=[] if comparison is None else [pair.verdict(config.figure) for pair in comparison.pairs],
        groups=[*group_tables(found, config.mapping), *([pairs_table(found.pairs)] if found.pairs else [])],
        notes=found.notes,
        commands=[shlex.join(["linearityiqa", "metrics", *command_words(config)])],
    )
