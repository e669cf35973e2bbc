"""Reproduce figures and tables: make the missing runs, draw the items, write and compare them."""

import contextlib
import json
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from linearityiqa.config import ReproduceConfig, command_words
from linearityiqa.files import write_text
from linearityiqa.reporting import HtmlReport, figure_bytes, save_figure
from linearityiqa.reproduce.authors_layout import AuthorsLayout, export
from linearityiqa.reproduce.execution import run_jobs
from linearityiqa.reproduce.item import Drawn, Item, Source, draw_items, gather, needs_of
from linearityiqa.reproduce.job import Job, RunEnd, progress_of
from linearityiqa.reproduce.own_runs import OwnRuns
from linearityiqa.reproduce.paper import Run, Scale, comparison_table
from linearityiqa.reproduce.setup import ALL, FURTHER, ITEMS, Setup, chosen_items
from linearityiqa.run_folders import Progress


@dataclass(frozen=True, eq=False)
class Reproduction:
    """Results of a reproduction."""

    drawn: Mapping[Item, Drawn]
    files: Mapping[Item, Sequence[Path]]
    failures: Mapping[Item, str]
    """A sentence for each item that could not be drawn, though it should have been."""
    unpublished: Mapping[Item, str]
    """A sentence for each item for which the authors' layout has no files, where `all` was asked for."""
    outcomes: Mapping[Run, RunEnd]
    report: Path
    exported: Sequence[Path] = ()
    """Files written in the authors' layout."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        items = {
            item.name: {"files": [str(path) for path in self.files[item]], "sentences": list(one.sentences)}
            for item, one in self.drawn.items()
        }
        return {
            "items": items,
            "failures": {item.name: sentence for item, sentence in self.failures.items()},
            "unpublished": {item.name: sentence for item, sentence in self.unpublished.items()},
            "runs": [{"run": str(run), **outcome._asdict()} for run, outcome in self.outcomes.items()],
            "report": str(self.report),
            "exported": [str(path) for path in self.exported],
        }


def dry_run(config: ReproduceConfig) -> list[tuple[Job, Progress]]:
    """Return the runs that some items need, and how far each is."""
    return [(job, progress_of(job)) for job in Setup(config).jobs(chosen_items(config.items))]


def paper_command(job: Job) -> str:
    """Return the command of the paper for a run."""
    return shlex.join(["python", "main.py", *command_words(job.config)])


def reproduce(config: ReproduceConfig) -> Reproduction:
    """Make the runs that are missing, unless results are given, and draw the items from them.

    Raises:
        ConfigError: an item that does not exist, or options that cannot be carried out here.
        Interrupted: SIGINT or SIGTERM during a run; the same call resumes from there.
        OSError: the output folder cannot be written.
    """
    items, setup = chosen_items(config.items), Setup(config)
    unpublished: dict[Item, str] = {}
    outcomes: dict[Run, RunEnd] = {}
    jobs: tuple[Job, ...] = ()
    source: Source
    if config.from_dir is not None:
        source = AuthorsLayout(config.from_dir)
        if ALL in map(str.lower, config.items):
            unpublished = _unpublished(items, setup)
    else:
        jobs = setup.jobs(items)
        outcomes = run_jobs(jobs, config)
        source = OwnRuns(setup, {run: outcome.message for run, outcome in outcomes.items() if outcome.message})
    wanted = [item for item in items if item not in unpublished]
    drawn, failures = draw_items(wanted, source, setup.scale)
    files = {item: save_drawn(item.name, one, config.output) for item, one in drawn.items()}
    which = "" if items == tuple(ITEMS.values()) else "-" + "-".join(item.name for item in items)
    report = config.output / f"report{which}.html"
    write_report(
        report,
        drawn,
        failures=failures | unpublished,
        environment=environment_of(setup),
        commands=[shlex.join(["linearityiqa", "reproduce", *command_words(config)]), *map(paper_command, jobs)],
        notices=_notices(setup),
    )
    exported: tuple[Path, ...] = ()
    if config.export is not None:
        exported = export(gather(needs_of(drawn, setup.scale), source), config.export)
    return Reproduction(drawn, files, failures, unpublished, outcomes, report, exported)


def save_drawn(name: str, drawn: Drawn, folder: Path) -> tuple[Path, ...]:
    """Write an item: PDF and PNG of each figure, Markdown, LaTeX and CSV of each table, `name`.json of all numbers."""
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
    """Return every number of an item as JSON; equal results give equal text."""
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
    """Write one self-contained HTML page with every item."""
    report = HtmlReport("The paper's figures and tables, reproduced", "Norm-in-Norm loss for image quality assessment.")
    report.notice(*notices)
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


PACKAGES = ("linearityiqa", "numpy", "scipy", "torch", "torchvision", "matplotlib", "Pillow")


def environment_of(setup: Setup) -> dict[str, object]:
    """Return versions, device, seed, scale and databases, by name."""
    config, versions = setup.config, []
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    facts: dict[str, object] = {
        "Software": ", ".join(versions),
        "Python": platform.python_version(),
        "Machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
    }
    if config.from_dir is not None:
        return facts | {"Results": f"read from {config.from_dir}; nothing was trained here"}
    training, other = setup.scale.tested_on
    repeats = any(item.name in FURTHER for item in chosen_items(config.items))
    return facts | {
        "Device": _device_name(config.device.device),
        "Seed": ", ".join(map(str, setup.scale.seeds)) if repeats else config.seed,
        "Recipe": f"{config.epochs} epochs, images resized to {config.size} (height x width), "
        f"initial weights {config.weights}",
        "Databases": f"trained on {config.dataset}; tested on {training} and on {other}",
        "Runs": config.log_dir,
    }


def _device_name(asked: str) -> str:
    import torch

    from linearityiqa.models.device import resolve_device

    device = resolve_device(asked)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _unpublished(items: Sequence[Item], setup: Setup) -> dict[Item, str]:
    """Return the items that cannot be drawn from the authors' layout, which has no files for them."""
    return {
        item: f"{item.name}: no results in the authors' layout; it takes runs (linearityiqa reproduce {item.name})."
        for item in items
        if all(need.published is None for need in item.needs(setup.scale))
    }


def _notices(setup: Setup) -> list[str]:
    """Say how the scale differs from the paper's."""
    scale, notices = setup.scale, []
    if not scale.is_paper:
        notices.append(
            "This is not the paper's scale (databases, epochs, image size, seed or initial weights differ): the "
            "numbers cannot be compared with the published ones, and are not."
        )
    if scale.other_part != Scale().other_part:
        notices.append(
            f"No second database was named (--test_dataset): {scale.other_part} of {scale.training_set} is used "
            "instead, so both tests show the same."
        )
    return notices
