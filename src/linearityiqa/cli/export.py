"""`linearityiqa export`: a trained model as an ONNX file."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from linearityiqa.cli.parsing import parse
from linearityiqa.config import ExportConfig
from linearityiqa.extras import require

if TYPE_CHECKING:
    from linearityiqa.export.model import ExportReport

DESCRIPTION = "Write a trained model as ONNX: it scores without torch, in float32 or 8 bits."


def main(argv: Sequence[str], prog: str = "linearityiqa export") -> int:
    """Parse, export, print what was measured."""
    config = parse(ExportConfig, argv, prog=prog, description=DESCRIPTION)
    for module in ("torch", "onnx", "onnxscript"):
        require(module, "export")
    from linearityiqa.export.model import export_model

    report = export_model(config)
    print(json.dumps(_values(report)) if config.json else _sentence(report))
    return 0


def _values(report: "ExportReport") -> dict[str, object]:
    values = asdict(report) | {"output": str(report.output)}
    if report.int8 is not None:
        values["int8"] = {name: None if math.isnan(value) else value for name, value in report.int8._asdict().items()}
    return values


def _sentence(report: "ExportReport") -> str:
    first = (
        f"{report.output}: {report.size / 1e6:.1f} MB; float32 differs from torch by at most "
        f"{report.difference:.1g} of the scale"
    )
    if report.float16 is not None:
        return f"{first}; weights in float16 change scores by at most {report.float16:.1g} of it"
    if report.int8 is None:
        return first
    ranks = "" if math.isnan(report.int8.srocc) else f", rank correlation {report.int8.srocc:.4f}"
    return (
        f"{first}; 8 bits differ from float32 by {report.int8.mean_difference:.2g} of it on average{ranks} "
        f"({report.int8.images} photographs)"
    )
