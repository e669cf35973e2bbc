"""`linearityiqa reproduce`: the paper's figures and tables by one command."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from linearityiqa.cli.parsing import parse
from linearityiqa.config import ReproduceConfig

if TYPE_CHECKING:
    from linearityiqa.reproduce.reproduction import Reproduction

DESCRIPTION = (
    "Reproduce figures and tables of the paper: train what is missing, draw, compare with the published numbers. "
    "Items: fig1 fig4 fig5 fig6 fig7 tab1 tab2 figA1 figA2 tabA1 tabA2 ttest, or all; name them first. The same "
    "command goes on where it stopped."
)


def main(argv: Sequence[str]) -> int:
    """Parse, run, print."""
    config = parse(ReproduceConfig, argv, prog="linearityiqa reproduce", description=DESCRIPTION)
    if config.dry_run:
        return show_plan(config)
    from linearityiqa.reproduce.reproduction import reproduce

    found = reproduce(config)
    if config.json:
        print(json.dumps(found.as_dict()))
    else:
        show(found)
    for sentence in found.failures.values():
        print(f"error: {sentence}", file=sys.stderr)
    return 1 if found.failures else 0


def show_plan(config: ReproduceConfig) -> int:
    """Print each run's state and command."""
    from linearityiqa.reproduce.reproduction import dry_run, paper_command

    plan = dry_run(config)
    if config.json:
        rows = [
            {
                "state": p.state,
                "words": p.words,
                "items": job.items,
                "folder": str(job.folder),
                "command": paper_command(job),
            }
            for job, p in plan
        ]
        print(json.dumps(rows))
        return 0
    states = [progress.state for _, progress in plan]
    print(f"{len(plan)} runs: " + ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)))
    for job, progress in plan:
        words = f": {progress.words}" if progress.words else ""
        print(f"\n{progress.state}{words}  ({' '.join(job.items)}; {job.folder})\n  {paper_command(job)}")
    return 0


def show(found: "Reproduction") -> None:
    """Print what was drawn, what there is to know of it, and where it is."""
    for item, one in found.drawn.items():
        print(f"{item.name}: {item.title}")
        for sentence in one.sentences:
            print(f"  {sentence}")
        for path in found.files[item]:
            print(f"  {path}")
    for sentence in found.unpublished.values():
        print(sentence)
    if found.exported:
        print(f"exported: {len(found.exported)} files in the authors' layout")
    print(f"report: {found.report}")
