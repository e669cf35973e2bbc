"""What the additions to the paper's recipe do, over seeds.

    python benchmarks/additions.py --labels mos.csv --weights mobilenet_v2.pth --output additions

Trains mobilenet_v2 at 128 x 128 from ImageNet weights with the paper's recipe, with each addition to it, and with all
of them, on 800 training images of a CSV database whose MOS lie in 0..1 (they are multiplied by 100), and tests every
epoch on its validation and test images together. Nothing is chosen on those images: the tables give every epoch, and
beside the last one its difference to the paper's recipe with the same seed. Runs resume where they stopped; with
--report_only the tables are made of what is there.
"""

from typing import Any

from ablation import parser_of, run_all, tables

from linearityiqa.config import LossConfig, OptimiserConfig

PAPER = "paper"
ADDITIONS: dict[str, dict[str, Any]] = {
    "averaged weights": {"ema_decay": 0.99},
    "cosine, warm-up": {"schedule": "cosine", "warmup_epochs": 0.5},
    "AdamW": {"optimizer": "adamw", "weight_decay": 0.05},
    "clipping": {"clip_grad_norm": 1.0},
}
ARMS: dict[str, dict[str, Any]] = {
    PAPER: {},
    **{f"+ {name}": options for name, options in ADDITIONS.items()},
    "+ all four": {name: value for options in ADDITIONS.values() for name, value in options.items()},
}


def main() -> None:
    parser = parser_of(__doc__, ARMS, output="additions", size=128, epochs=6)
    parser.set_defaults(train_images=800)
    options = parser.parse_args()

    def options_of(arm: str, seed: int) -> tuple[LossConfig, OptimiserConfig]:
        base = {"seed": seed, "weights": options.weights, "epochs": options.epochs}
        return LossConfig(), OptimiserConfig(**base, **ARMS[arm])

    runs = run_all(options, options_of)
    for table in tables(runs, options.epochs, base=PAPER):
        print(table.to_markdown())


if __name__ == "__main__":
    main()
