"""What the loss and the scale of the labels do, over seeds: the ablation of docs/benchmarks.md.

    python benchmarks/loss_ablation.py --labels mos.csv --weights mobilenet_v2.pth --output ablation
    python benchmarks/loss_ablation.py --labels split.csv --images BIQ2021/Images --output replication \\
        --architecture timm/tf_efficientnet_lite0 --size 128 --epochs 4    # the whole of BIQ2021: docs/replication.md

Trains a network (by default mobilenet_v2 at 256 x 256) from ImageNet weights with every arm and seed, under one budget,
on the training split of a CSV database whose MOS lie in 0..1 (they are multiplied by 100), and tests every epoch on its
validation and test images together. Nothing is chosen on those images: the tables give every epoch. Runs go on where
they stopped; with --report_only the tables are made of what is there.
"""

from ablation import draw, parser_of, run_all, tables

from linearityiqa.config import LabelScale, LossConfig, LossType, OptimiserConfig

ARMS: dict[str, tuple[LossType, LabelScale]] = {
    "Norm-in-Norm": ("norm-in-norm", "given"),
    "MSE, MOS as given": ("mse", "given"),
    "MSE, standardised MOS": ("mse", "standard"),
    "MAE, MOS as given": ("mae", "given"),
    "MAE, standardised MOS": ("mae", "standard"),
}


def main() -> None:
    options = parser_of(__doc__, ARMS, output="ablation", size=256, epochs=2).parse_args()

    def options_of(arm: str, seed: int) -> tuple[LossConfig, OptimiserConfig]:
        loss_type, label_scale = ARMS[arm]
        return LossConfig(loss_type=loss_type), OptimiserConfig(
            seed=seed, weights=options.weights, epochs=options.epochs, label_scale=label_scale
        )

    runs = run_all(options, options_of)
    for table in tables(runs, options.epochs, base="Norm-in-Norm"):
        print(table.to_markdown())
    if options.figure is not None:
        draw(runs, options.epochs, options.figure)


if __name__ == "__main__":
    main()
