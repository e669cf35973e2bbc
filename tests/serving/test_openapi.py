"""The OpenAPI document against the service. Oracle: schemathesis, which makes requests from the document."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linearityiqa.config import ServeConfig
from linearityiqa.scoring import Scorer
from linearityiqa.serving.app import Service, create_app
from live_service import grey
from pixel_runtime import PixelRuntime

PHOTOGRAPHS = st.builds(grey, st.integers(0, 255)) | st.binary(max_size=50)
"""Where the document asks for the bytes of a photograph: random bytes alone would never be scored."""


def test_every_answer_is_as_described() -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    schemathesis.openapi.media_type("image/*", PHOTOGRAPHS)
    schemathesis.openapi.media_type("application/octet-stream", PHOTOGRAPHS)
    schemathesis.openapi.format("binary", PHOTOGRAPHS)
    # bytes that are no image are as described, and refused all the same
    excluded = [schemathesis.checks.positive_data_acceptance]
    app = create_app(Service(Scorer(PixelRuntime()), ServeConfig()))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    right, wrong = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    answered: set[tuple[str, int]] = set()
    for operation, mode in [
        *((found.ok(), right) for found in schema.get_all_operations()),
        (schema["/v1/score"]["POST"], wrong),  # nothing else has anything that could be wrong
    ]:

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=10, derandomize=True, suppress_health_check=list(HealthCheck))
        def answers_as_described(case) -> None:
            answered.add((case.path, case.call_and_validate(excluded_checks=excluded).status_code))

        answers_as_described()
    assert answered >= {(path, 200) for path in app.openapi()["paths"]} | {("/v1/score", 422)}
