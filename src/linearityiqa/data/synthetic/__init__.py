"""The built-in synthetic database: pristine images, distorted, with pseudo-labels from full-reference metrics."""

from linearityiqa.extras import require

require("skimage", "demo")

from linearityiqa.data.synthetic.make import make_database  # noqa: E402 - the line above says what is missing

__all__ = ["make_database"]
