"""`linearityiqa datasets check`: what is wrong with a database."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from linearityiqa.cli.parsing import parse
from linearityiqa.config import CheckConfig
from linearityiqa.data.checks import TITLES, Finding, Report, audit

DESCRIPTION = (
    "Check labels and images of a database, and find images that are the same as files, in pixels or to the eye: "
    "across splits that is a leak. Exit status 1 if anything is wrong; remarks are no errors."
)


def main(argv: Sequence[str]) -> int:
    """Parse, check, print."""
    config = parse(CheckConfig, argv, prog="linearityiqa datasets check", description=DESCRIPTION)
    report = audit(config)
    if config.json:
        print(json.dumps(report.as_dict()))
    else:
        print("\n".join(lines_of(report, config.listed)))
    return 1 if report.errors else 0


def lines_of(report: Report, listed: int) -> Iterator[str]:
    """The report as text, with at most `listed` findings of each kind (0: all)."""
    splits = ", ".join(f"{count} {name}" for name, count in report.splits.items()) or "no split"
    yield f"{report.name}: {report.images} images ({splits}) in {report.folder}, labels in {report.labels}"
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
