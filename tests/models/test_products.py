"""Oracle: products in float64, of whichever library."""

import pytest
import torch

from linearityiqa.models import products as module
from linearityiqa.models.products import add_products, products


@pytest.fixture(params=["AVX2", "AVX512"])
def _processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: request.param)


@pytest.mark.usefixtures("_processor")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("turned", [False, True], ids=["as they lie", "turned"])
def test_each_point_has_its_product(dtype: torch.dtype, turned: bool) -> None:
    torch.manual_seed(0)
    left, right = torch.randn(3, 7, 20, dtype=dtype), torch.randn(3, 20, 11, dtype=dtype)
    if turned:  # as the gradients hand them over
        left, right = (part.mT.contiguous().mT for part in (left, right))
    expected = (left.double() @ right.double()).to(dtype)
    torch.testing.assert_close(torch.stack(list(products(left, right))), expected)
    total = torch.ones_like(expected)
    add_products(total, left, right)
    torch.testing.assert_close(total, expected + 1)


def test_onednn_is_there_to_be_taken() -> None:
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    assert hasattr(torch.ops.mkldnn, "_linear_pointwise")


@pytest.mark.parametrize(
    ("processor", "dtype", "taken"),
    [("AVX512", torch.float32, 3), ("AVX512", torch.float64, 0), ("AVX2", torch.float32, 0)],
)
def test_onednn_multiplies_float32_where_vectors_are_long(processor, dtype, taken, monkeypatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    monkeypatch.setattr(module, "_times", lambda left, right: calls.append(1) or left @ right)
    products(torch.ones(3, 2, 4, dtype=dtype), torch.ones(3, 4, 5, dtype=dtype))
    assert len(calls) == taken
