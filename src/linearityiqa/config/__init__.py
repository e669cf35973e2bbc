"""The one tree of options: command line, configuration file, and the record inside every model file."""

from linearityiqa.config import runfiles
from linearityiqa.config.data import AugmentationConfig, DataConfig, TransformConfig
from linearityiqa.config.datasets import (
    PHOTOGRAPHS,
    CheckConfig,
    ConvertConfig,
    DemoConfig,
    GradedConfig,
    ListConfig,
    SplitConfig,
    StatsConfig,
    SyntheticConfig,
)
from linearityiqa.config.model import (
    Criterion,
    LabelScale,
    LossConfig,
    LossType,
    ModelConfig,
    OptimiserConfig,
    OptimizerName,
    PoolMethod,
)
from linearityiqa.config.naming import RECIPES, result_options, run_folder, run_name, with_recipe
from linearityiqa.config.run import (
    CrossvalConfig,
    DeviceConfig,
    ReproduceConfig,
    RunConfig,
    RunsConfig,
    ScoringDeviceConfig,
    TrainConfig,
)
from linearityiqa.config.score import ExportConfig, MappingName, MetricsConfig, ScoreConfig, SplitName, TestConfig
from linearityiqa.config.serve import LimitsConfig, ServeConfig
from linearityiqa.config.tree import changed_from_defaults, command_words, from_dict, to_dict

__all__ = [
    "PHOTOGRAPHS",
    "RECIPES",
    "AugmentationConfig",
    "CheckConfig",
    "ConvertConfig",
    "Criterion",
    "CrossvalConfig",
    "DataConfig",
    "DemoConfig",
    "DeviceConfig",
    "ExportConfig",
    "GradedConfig",
    "LabelScale",
    "LimitsConfig",
    "ListConfig",
    "LossConfig",
    "LossType",
    "MappingName",
    "MetricsConfig",
    "ModelConfig",
    "OptimiserConfig",
    "OptimizerName",
    "PoolMethod",
    "ReproduceConfig",
    "RunConfig",
    "RunsConfig",
    "ScoreConfig",
    "ScoringDeviceConfig",
    "ServeConfig",
    "SplitConfig",
    "SplitName",
    "StatsConfig",
    "SyntheticConfig",
    "TestConfig",
    "TrainConfig",
    "TransformConfig",
    "changed_from_defaults",
    "command_words",
    "from_dict",
    "result_options",
    "run_folder",
    "run_name",
    "runfiles",
    "to_dict",
    "with_recipe",
]
