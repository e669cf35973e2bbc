"""`linearityiqa metrics`: judge predictions of any method, and compare several."""

import json
import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from linearityiqa.cli.parsing import parse
from linearityiqa.config import MetricsConfig, command_words
from linearityiqa.errors import ConfigError, MissingExtraError
from linearityiqa.evaluation.judging import MOS_RANGES, Judgement, judge
from linearityiqa.evaluation.methods import Methods, read_methods, short_names
from linearityiqa.files import write_text
from linearityiqa.mapping import LinearMapping
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

DESCRIPTION = (
    "Judge predictions of any method: correlations, errors and mappings to MOS with bootstrap intervals; several files "
    "are compared, pair by pair, on the images that all of them have."
)


def main(argv: Sequence[str]) -> int:
    """Parse, judge, print."""
    return run(parse(MetricsConfig, argv, prog="linearityiqa metrics", description=DESCRIPTION))


def run(config: MetricsConfig) -> int:
    """Judge the files, print what was found, and write it where it is wanted.

    Raises:
        ConfigError: no file is named.
        DataError: a file cannot be used, or the files cannot be compared.
        MissingExtraError: SciPy is not installed.
    """
    if not config.files:
        raise ConfigError(
            "there is nothing to judge: name CSV files with the columns image_name, prediction and mos, as in "
            "linearityiqa metrics mine.csv other.csv, or scores and labels: linearityiqa metrics scores.csv --labels "
            "mos.csv"
        )
    methods = read_methods(config.files, config.by, config.mos_std_scale, config.labels)
    found = judge(methods, config)
    short = short_names(list(methods.predictions))
    shown = found.renamed(short)
    plain = {"files": [str(path) for path in config.files], **found.as_dict()}
    print(json.dumps(plain, allow_nan=False) if config.json else "\n\n".join(readable(shown, config, short)))
    if config.output is not None:
        write_all(config.output, found, json.dumps(plain, allow_nan=False, indent=1))
        write_report(config, methods.renamed(short), shown)
    return 0


def readable(found: Judgement, config: MetricsConfig, short: Mapping[str, str]) -> Iterator[str]:
    """Blocks of text: tables, verdicts, notes, and what the methods are called in full."""
    yield agreement_table(found.agreements).to_text()
    if found.comparison is not None:
        yield "\n".join(pair.verdict(config.figure) for pair in found.comparison.pairs)
        if len(found.agreements) > 2:
            yield better_table(found.comparison, config.figure).to_text()
        yield differences_table(found.comparison, shown_figures(config)).to_text()
    yield from (table.to_text() for table in group_tables(found, config.mapping))
    if found.pairs:
        yield pairs_table(found.pairs).to_text()
    if found.notes:
        yield "\n".join(f"Note: {note}" for note in found.notes)
    if any(name != own for own, name in short.items()):
        yield "\n".join(["Shortened names:", *(f"  {name} = {own}" for own, name in short.items() if name != own)])


def shown_figures(config: MetricsConfig) -> list[str]:
    """The figures whose differences are shown; metrics.json and differences.csv hold them all."""
    return sorted(
        {"SROCC", "PLCC", "KROCC", "RMSE", config.figure, *(f"{f}_{config.mapping}" for f in ("PLCC", "RMSE"))}
    )


def group_tables(found: Judgement, mapping: str) -> list[Table]:
    """A table for each way of grouping the images."""
    return [
        groups_table(groups, f"By {'range of MOS' if by == MOS_RANGES else by}, errors after the {mapping} mapping")
        for by, groups in found.groups.items()
    ]


def write_all(folder: Path, found: Judgement, plain: str) -> None:
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


def write_report(config: MetricsConfig, methods: Methods, found: Judgement) -> None:
    """Write report.html into the output folder, where matplotlib is there to draw its figures."""
    if config.output is None:
        return
    try:
        report = evaluation_report(report_content(config, methods, found), config.image_dir)
    except MissingExtraError as missing:
        logger.warning("no report.html: %s", missing)
        return
    report.write(config.output / "report.html")
    logger.info("report: %s", config.output / "report.html")


def report_content(config: MetricsConfig, methods: Methods, found: Judgement) -> ReportContent:
    """What the report says of a judgement."""
    comparison = found.comparison
    names, n = list(found.agreements), len(methods.images)
    return ReportContent(
        title="Agreement with opinion scores",
        lead=f"{', '.join(names)} on {n} images"
        + (
            f", with {config.confidence:.0%} bootstrap intervals ({config.resamples} resamples)." if comparison else "."
        ),
        names=methods.images,
        methods=[
            Method(
                name,
                methods.predictions[name],
                methods.mos,
                one.mapped[config.mapping].mapping if config.mapping in one.mapped else LinearMapping(),
                {figure: value for figure in ("SROCC", "PLCC") if (value := one.figures()[figure]) is not None},
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
