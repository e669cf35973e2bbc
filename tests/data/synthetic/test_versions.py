"""Degraded versions. Oracle: the error against the clean image, which grows with the severity."""

import subprocess
import sys

import numpy as np
import pytest

from linearityiqa.data.synthetic.distortions import KINDS, degraded


@pytest.fixture(scope="module")
def texture():
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.uniform(0, 255, (12, 12, 3)), np.ones((8, 8, 1)))
    return np.clip(coarse + rng.normal(0, 25, coarse.shape), 0, 255).astype(np.uint8)


def error(image, version):
    return float(np.square(image.astype(float) - version).mean())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_keeps_the_shape_and_gets_worse(kind, texture):
    versions = [kind(texture, severity, np.random.default_rng(1)) for severity in (0.15, 0.5, 1.0)]
    assert all(version.shape == texture.shape and version.dtype == np.uint8 for version in versions)
    errors = [error(texture, version) for version in versions]
    assert 0 < errors[0] < errors[1] < errors[2]


def test_the_severe_version_is_worse_than_the_mild_one(texture):
    for number in range(60):
        mild, severe = (degraded(texture, level, np.random.default_rng([7, number])) for level in (1, 2))
        assert error(texture, mild) < error(texture, severe)


WITHOUT_SKIMAGE = """
import sys
sys.modules["skimage"] = None
import linearityiqa.data.synthetic.distortions
try:
    import linearityiqa.data.synthetic.make
except Exception as error:
    print(error)
"""


def test_training_needs_no_scikit_image_and_the_database_says_which_extra_has_it():
    done = subprocess.run([sys.executable, "-c", WITHOUT_SKIMAGE], capture_output=True, text=True, check=True)
    assert "pip install 'linearityiqa[demo]'" in done.stdout
