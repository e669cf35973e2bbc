"""The OpenAPI document against the service. Oracle: schemathesis, which makes requests from the document."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image

from linearityiqa.config import LimitsConfig, ServeConfig
from linearityiqa.scoring import Scorer
from linearityiqa.serving.app import create_app
from linearityiqa.serving.service import Service
from live_service import encoded
from pixel_runtime import PixelRuntime

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
