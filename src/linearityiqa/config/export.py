"""Options of exporting a trained model to ONNX."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from linearityiqa.config.checks import require_options
from linearityiqa.config.data import TransformConfig
from linearityiqa.config.model import ModelConfig


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Which model becomes which ONNX file, in float32 or 8 bits."""

    trained_model_file: Annotated[Path | None, tyro.conf.arg(aliases=["-modelfile", "--model"])] = None
    """Model file: ours (.safetensors, or hf://OWNER/NAME[@REVISION]) or the authors' (.pth, described by -arch and so
    on)."""
    output: Path | None = None
    """ONNX file to write; by default the model file's name, ending in .onnx or -int8.onnx."""
    with_map: bool = False
    """Also give the quality map, for linearityiqa score --map."""
    float16: bool = False
    """Store the weights in float16, half the size; what is computed with them stays float32."""
    int8: bool = False
    """Compute the backbone in 8 bits: several times as fast on a CPU, with scores that differ a little."""
    calibration: Path | None = None
    """Folder of photographs of the kind that will be scored; --int8 takes the ranges of its numbers from them."""
    calibration_images: int = 100
    """Photographs of CALIBRATION that are used for the ranges; up to as many others compare 8 bits with float32."""
    images: Path | None = None
    """Folder of photographs on which the export is compared with torch; by default generated images."""
    trained_on: str | None = None
    """What the ONNX file calls the training database; by default what the model file calls it."""
    json: bool = False
    """Print what was measured as JSON."""
    pbar: Annotated[bool, tyro.conf.arg(aliases=["-pbar"])] = False
    """Show progress bars."""
    model: ModelConfig = field(default_factory=ModelConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)

    def __post_init__(self) -> None:
        require_options(
            (
                self.int8 == (self.calibration is not None),
                "--int8 and --calibration FOLDER go together: 8 bits need the ranges of the network's numbers, which "
                "come from photographs of the kind that will be scored",
            ),
            (not (self.int8 and self.float16), "--int8 and --float16 are two ways to a smaller file: choose one"),
            (
                1 <= self.calibration_images <= 10_000,
                f"calibration_images must lie in 1..10000, got {self.calibration_images}",
            ),
            (
                self.output is None or self.output.suffix.lower() == ".onnx",
                f"--output must end in .onnx, got {self.output}",
            ),
        )
