"""The one tree of options: command line, configuration file, and the record inside every model file."""

from linearityiqa.config import runfiles
from linearityiqa.config.crossval import CrossvalConfig
from linearityiqa.config.data import AugmentationConfig, DataConfig, TransformConfig
from linearityiqa.config.datasets import CheckConfig, ConvertConfig, ListConfig, SplitConfig, StatsConfig
from linearityiqa.config.demo import DemoConfig
from linearityiqa.config.export import ExportConfig
from linearityiqa.config.loss import LossConfig, LossType
from linearityiqa.config.metrics import FigureName, MappingName, MetricsConfig
from linearityiqa.config.model import ModelConfig, PoolMethod
from linearityiqa.config.naming import result_options, run_folder, run_name
from linearityiqa.config.optimiser import Criterion, LabelScale, OptimiserConfig, OptimizerName
from linearityiqa.config.recipes import RECIPES, with_recipe
from linearityiqa.config.reproduce import ReproduceConfig
from linearityiqa.config.run import DeviceConfig, RunConfig, RunsConfig, ScoringDeviceConfig, TrainConfig
from linearityiqa.config.score import ScoreConfig, SplitName, TestConfig
from linearityiqa.config.serve import LimitsConfig, ServeConfig
from linearityiqa.config.synthetic import GRADED_DISTORTIONS, PHOTOGRAPHS, GradedConfig, SyntheticConfig
from linearityiqa.config.tree import changed_from_defaults, from_dict, to_dict
from linearityiqa.config.words import command_words

__all__ = [
    "GRADED_DISTORTIONS",
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
    "FigureName",
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
