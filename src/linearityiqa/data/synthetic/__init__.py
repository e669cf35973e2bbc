"""The built-in synthetic database, and the degraded versions of images that training makes (without scikit-image)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from linearityiqa.data.synthetic.make import make_database

__all__ = ["make_database"]


def __getattr__(name: str) -> Any:
    if name == "make_database":
        from linearityiqa.data.synthetic.make import make_database

        return make_database
    raise AttributeError(f"module 'linearityiqa.data.synthetic' has no attribute {name!r}")
