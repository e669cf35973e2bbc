"""Reproduce figures and tables: run what is missing, draw what there is, write it, compare it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linearityiqa.config import ReproduceConfig, command_words
from linearityiqa.reproduce.environment import environment_of
from linearityiqa.reproduce.execution import Outcome
from linearityiqa.reproduce.item import Drawn, Item, Source, draw_items, gather
from linearityiqa.reproduce.items import ITEMS
from linearityiqa.reproduce.layout import AuthorsLayout, export
from linearityiqa.reproduce.outputs import save_drawn, write_report
from linearityiqa.reproduce.own_results import OwnResults
from linearityiqa.reproduce.plan import Run, Scale
from linearityiqa.reproduce.progress import Progress, progress_of
from linearityiqa.reproduce.runner import run_jobs
from linearityiqa.reproduce.setup import ALL, Job, Setup, chosen_items


@dataclass(frozen=True, eq=False)
class Reproduction:
    """What came of a reproduction.

    Attributes:
        drawn: the items that are drawn.
        files: the files of each.
        failures: the sentence of each item that could not be drawn, though it should have been.
        unpublished: the sentence of each item for which the authors' layout has no files, where `all` was asked for.
        outcomes: how each run ended, where runs were made.
        report: the HTML report of the items.
        exported: files written in the authors' layout.
    """

    drawn: Mapping[Item, Drawn]
    files: Mapping[Item, Sequence[Path]]
    failures: Mapping[Item, str]
    unpublished: Mapping[Item, str]
    outcomes: Mapping[Run, Outcome]
    report: Path
    exported: Sequence[Path] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
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
    """The runs that some items need, and how far each is.

    Raises:
        ConfigError: an item that does not exist.
    """
    return [(job, progress_of(job)) for job in Setup(config).jobs(chosen_items(config.items))]


def paper_command(job: Job) -> str:
    """The command of the paper for a run."""
    return shlex.join(["python", "main.py", *command_words(job.config)])


def reproduce(config: ReproduceConfig) -> Reproduction:
    """Make the runs that are missing, unless results are given, and draw the items from them.

    Raises:
        ConfigError: an item that does not exist, or options that cannot be carried out here.
        Interrupted: SIGINT or SIGTERM during a run; the same call goes on from there.
        OSError: the output folder cannot be written.
    """
    items, setup = chosen_items(config.items), Setup(config)
    unpublished: dict[Item, str] = {}
    outcomes: dict[Run, Outcome] = {}
    jobs: tuple[Job, ...] = ()
    source: Source
    if config.from_dir is not None:
        source = AuthorsLayout(config.from_dir)
        if ALL in map(str.lower, config.items):
            unpublished = _unpublished(items, setup)
    else:
        jobs = setup.jobs(items)
        outcomes = run_jobs(jobs, config)
        source = OwnResults(setup, {run: outcome.message for run, outcome in outcomes.items() if outcome.message})
    wanted = [item for item in items if item not in unpublished]
    drawn, failures = draw_items(wanted, source, setup.scale)
    files = {item: save_drawn(item.name, one, config.output) for item, one in drawn.items()}
    report = config.output / _report_name(items)
    write_report(
        report,
        drawn,
        failures=failures | unpublished,
        environment=environment_of(setup),
        commands=[_own_command(config), *map(paper_command, jobs)],
        notices=_notices(setup),
    )
    exported: tuple[Path, ...] = ()
    if config.export is not None:
        exported = export(
            gather(dict.fromkeys(n for item in drawn for n in item.needs(setup.scale)), source), config.export
        )
    return Reproduction(drawn, files, failures, unpublished, outcomes, report, exported)


def _unpublished(items: Sequence[Item], setup: Setup) -> dict[Item, str]:
    """The items that cannot be drawn from the authors' layout, which has no files for them."""
    return {
        item: f"{item.name}: no results in the authors' layout; it takes runs (linearityiqa reproduce {item.name})."
        for item in items
        if all(need.published is None for need in item.needs(setup.scale))
    }


def _notices(setup: Setup) -> list[str]:
    """How the scale differs from the paper's."""
    scale, notices = setup.scale, []
    if not scale.is_paper:
        notices.append(
            "This is not the paper's scale (databases, epochs, image size, seed or initial weights differ): the "
            "numbers cannot be compared with the published ones, and are not."
        )
    if scale.other_part != Scale().other_part:
        notices.append(
            f"No second database was named (--test_dataset): {scale.other_part} of {scale.training_set} stands in its "
            "place, so both tests show the same."
        )
    return notices


def _own_command(config: ReproduceConfig) -> str:
    return shlex.join(["linearityiqa", "reproduce", *command_words(config)])


def _report_name(items: Sequence[Item]) -> str:
    return "report.html" if len(items) == len(ITEMS) else f"report-{'-'.join(item.name for item in items)}.html"
