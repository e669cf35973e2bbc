"""How surely the end of the demo holds: degraded copies of a photograph score below it, for several seeds.

    python benchmarks/demo.py [--seeds 10]

Only the run that starts from the model in the package is carried out, on the demo's own database of each seed.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from linearityiqa.config import DemoConfig
from linearityiqa.data.synthetic.make import CLEAN, make_database, write_showcase
from linearityiqa.reporting import Table
from linearityiqa.reproduce.demo import tuning_config
from linearityiqa.scoring import Scorer
from linearityiqa.training import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for seed in range(1, options.seeds + 1):
            config = replace(DemoConfig(quiet=True), output=Path(place, str(seed)), seed=seed)
            model = train(tuning_config(config, make_database(config.database))).model_file
            shown = write_showcase(config.output / "photographs", config.database)
            scores = dict(zip(shown, Scorer(model, num_threads=1).score_many(shown.values()), strict=True))
            rows.append([seed, *(f"{image.score:.1f}" for image in scores.values())])
            below = sum(image.score < scores[CLEAN].score for image in scores.values())
            rows[-1].append(f"{below} of {len(scores) - 1}")
    print(Table("Scores at the end of the demo", ["seed", *scores, "below the clean one"], rows).to_markdown())


if __name__ == "__main__":
    main()
