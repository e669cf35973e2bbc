"""`linearityiqa demo`: the whole story in minutes."""

import json
from collections.abc import Sequence

from linearityiqa.cli.parsing import parse
from linearityiqa.config import DemoConfig

DESCRIPTION = (
    "Make the built-in database, train with Norm-in-Norm, MSE, MAE and MSE on standardised labels under one budget, "
    "test, draw, and score two photographs. Needs no network and no GPU."
)


def main(argv: Sequence[str]) -> int:
    """Parse, run, print."""
    config = parse(DemoConfig, argv, prog="linearityiqa demo", description=DESCRIPTION)
    from linearityiqa.reproduce.demo import run_demo
    from linearityiqa.reproduce.demo_report import write_demo_report

    result = run_demo(config)
    report = write_demo_report(config, result)
    if config.json:
        runs = {name: run.results for name, run in result.runs.items()}
        print(json.dumps({"verdict": report.verdict, "runs": runs, "report": str(report.page)}))
        return 0
    clean, degraded = result.photographs
    print(report.table.to_text())
    print(f"\n{report.verdict}")
    print(f"\nscored by the model trained with {result.best}:")
    print(f"  clean photograph     {clean.score:8.2f}   {clean.path}")
    print(f"  degraded photograph  {degraded.score:8.2f}   {degraded.path}")
    print("\npictures: " + ", ".join(map(str, report.pictures)))
    print(f"report:   {report.page}")
    print(f"model:    {result.runs[result.best].model_file}")
    return 0
