"""`linearityiqa reproduce`: the paper's figures and tables; and `linearityiqa demo`."""

import json
import sys

from linearityiqa.config import DemoConfig, ReproduceConfig
from linearityiqa.console import say
from linearityiqa.reproduce import reproduction


def reproduce(config: ReproduceConfig) -> int:
    """Reproduce figures and tables, and print the outcome."""
    if config.dry_run:
        return show_plan(config)
    found = reproduction.reproduce(config)
    if config.json:
        print(json.dumps(found.as_dict()))
    else:
        show(found)
    for sentence in found.failures.values():
        say(f"error: {sentence}", file=sys.stderr)
    return 1 if found.failures else 0


def show_plan(config: ReproduceConfig) -> int:
    """Print the state of each run and the paper's command for it."""
    plan = reproduction.dry_run(config)
    if config.json:
        rows = [
            {
                "state": p.state,
                "words": p.words,
                "items": job.items,
                "folder": str(job.folder),
                "command": reproduction.paper_command(job),
            }
            for job, p in plan
        ]
        print(json.dumps(rows))
        return 0
    states = [progress.state for _, progress in plan]
    print(f"{len(plan)} runs: " + ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)))
    for job, progress in plan:
        words = f": {progress.words}" if progress.words else ""
        say(
            "",
            f"{progress.state}{words}  ({' '.join(job.items)}; {job.folder})",
            f"  {reproduction.paper_command(job)}",
        )
    return 0


def show(found: reproduction.Reproduction) -> None:
    """Print what was drawn, remarks on it, and the files."""
    for item, one in found.drawn.items():
        print(f"{item.name}: {item.title}")
        for sentence in one.sentences:
            say(f"  {sentence}")
        for path in found.files[item]:
            say(f"  {path}")
    for sentence in found.unpublished.values():
        say(sentence)
    if found.exported:
        print(f"exported: {len(found.exported)} files in the authors' layout")
    say(f"report: {found.report}")


def demo(config: DemoConfig) -> int:
    """Run the demo, and print its results."""
    from linearityiqa.models.device import keep_memory_of_cpu
    from linearityiqa.reproduce.demo import run_demo, write_demo_report

    keep_memory_of_cpu("auto")
    result = run_demo(config)
    report = write_demo_report(config, result)
    if config.json:
        runs = {name: run.results for name, run in result.runs.items()}
        print(json.dumps({"verdict": report.verdict, "runs": runs, "report": str(report.page)}))
        return 0
    print(report.table.to_text())
    print(f"\n{report.verdict}")
    print("\none photograph, scored by the model in the package after some epochs on this database:")
    for what, image in result.photographs.items():
        say(f"  {what:<20} {image.score:8.2f}   {image.path}")
    print(f"  {result.in_order} of {len(result.photographs) - 1} degraded copies score below the clean one")
    say("", "pictures: " + ", ".join(map(str, report.pictures)))
    say(f"report:   {report.page}")
    say(f"model:    {result.tuned.model_file}")
    print("\nnow score photographs of your own:\n  linearityiqa score --map maps PHOTOGRAPHS")
    return 0
