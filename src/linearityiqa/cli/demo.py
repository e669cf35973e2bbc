"""`linearityiqa demo`: the whole story in minutes."""

import json
from collections.abc import Sequence

from linearityiqa.cli.parsing import parse
from linearityiqa.config import DemoConfig

DESCRIPTION = (
    "Make the built-in database, train with Norm-in-Norm, MSE, MAE and MSE on standardised labels under one budget, "
    "test and draw; then go on training the model in the package, and score a photograph and degraded copies of it. "
    "Needs no network and no GPU."
)


def main(argv: Sequence[str]) -> int:
    """Parse, run, print."""
    config = parse(DemoConfig, argv, prog="linearityiqa demo", description=DESCRIPTION)
    from linearityiqa.reproduce.demo import run_demo, write_demo_report

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
        print(f"  {what:<20} {image.score:8.2f}   {image.path}")
    print(f"  {result.in_order} of {len(result.photographs) - 1} degraded copies score below the clean one")
    print("\npictures: " + ", ".join(map(str, report.pictures)))
    print(f"report:   {report.page}")
    print(f"model:    {result.tuned.model_file}")
    print("\nnow score photographs of your own:\n  linearityiqa score --map maps PHOTOGRAPHS")
    return 0
