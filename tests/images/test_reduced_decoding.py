"""Large photographs decoded at a reduced scale. Oracle: the whole photograph, decoded by Pillow and resized as ever."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from linearityiqa.config import TransformConfig, from_dict, to_dict
from linearityiqa.errors import ImageTooLargeError
from linearityiqa.images import ImageTransform, decode, image_size, opened, to_rgb
from linearityiqa.scoring.prepared import prepare
from pictures import encoded, make_picture

SMALL = TransformConfig(resize=True, resize_mode="shrink", resize_size_h=96, resize_size_w=96, decode_reduced=True)
REDUCED = ImageTransform.of(SMALL)
WHOLE = ImageTransform((96, 96), mode="shrink")


def jpeg(image, **options):
    return encoded(image, "JPEG", quality=92, **options)


def grainy(size, seed=1):
    noise = np.random.default_rng(seed).normal(0, 6, (*size, 3))
    return Image.fromarray(np.clip(np.asarray(make_picture(seed, size)) + noise, 0, 255).astype(np.uint8))


def seen(content, transform):
    image, _, native = decode(content, enough=transform.enough)
    return transform.pixels(image, native)


def difference(first, second):
    return np.abs(np.asarray(first, dtype=float) - np.asarray(second, dtype=float))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(("side", "scale"), [(150, 1), (380, 1), (500, 2), (1000, 4), (1544, 8), (3200, 8)])
def test_a_jpeg_is_decoded_at_the_smallest_scale_of_twice_the_size_and_looks_the_same(side, scale, mode):
    content = jpeg(grainy((side, side)).convert(mode))
    image, _, native = decode(content, enough=REDUCED.enough)
    assert image.size == (-(-side // scale), -(-side // scale))
    assert native == (side, side)
    reference = WHOLE.pixels(Image.open(io.BytesIO(content)).convert("RGB"))
    levels = difference(REDUCED.pixels(image, native), reference)
    assert levels.shape == (96, 96, 3)
    assert levels.mean() < 0.8
    assert np.percentile(levels, 99) <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_other_formats_are_reduced_by_whole_factors_first(kind):
    """Oracle: Pillow's `reduce` by 4, after which 125 pixels a side are resized."""
    content = encoded(grainy((800, 800)), kind)
    levels = difference(seen(content, REDUCED), seen(content, WHOLE))
    steps = decode(content).image.reduce(4).resize((96, 96), Image.Resampling.BILINEAR)
    assert np.array_equal(np.asarray(seen(content, REDUCED)), np.asarray(steps))
    assert 0 < levels.mean() < 0.8


def test_a_model_that_records_nothing_of_it_sees_the_bits_of_before():
    values = {name: value for name, value in to_dict(SMALL).items() if name != "decode_reduced"}
    before = ImageTransform.of(from_dict(TransformConfig, values))
    content = jpeg(grainy((500, 700)))
    whole = Image.open(io.BytesIO(content)).resize((128, 96), Image.Resampling.BILINEAR)
    assert before == WHOLE
    assert np.array_equal(np.asarray(seen(content, before)), np.asarray(whole.resize(seen(content, before).size)))


@pytest.mark.parametrize("options", [{"resize": True}, {}])
def test_stretch_and_no_resizing_decode_whole(options):
    config = TransformConfig(decode_reduced=True, **options)
    assert config.effective() == TransformConfig(**options)
    assert ImageTransform.of(config).enough is None


def test_a_database_that_has_a_common_size_is_decoded_whole():
    assert ImageTransform.of(SMALL, (500, 500)) == ImageTransform((96, 96), (500, 500), "shrink")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_sizes_are_those_of_the_upright_photograph(orientation, tmp_path):
    """Also where rounding at the reduced scale would lead to another multiple of 32."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    for width in range(801, 1009, 13):
        path = tmp_path / f"{width}.jpg"
        path.write_bytes(jpeg(Image.new("RGB", (width, 613)), exif=exif))
        size = (613, width) if orientation < 5 else (width, 613)
        found = prepare(path, REDUCED, max_pixels=10**9, with_thumbnail=True)
        assert image_size(path, exif_rotation=True) == found.native == size
        assert found.thumbnail.size == size[::-1]
        assert found.size == REDUCED.output_size(size) == WHOLE.output_size(size)


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_an_image_that_the_user_opened_scores_like_its_file_and_stays_as_it_is(mode, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(grainy((600, 800)).convert(mode)))
    with Image.open(path) as image:
        for _ in range(2):
            found = prepare(image, REDUCED, max_pixels=10**9)
            assert np.array_equal(np.asarray(found.image), np.asarray(seen(path.read_bytes(), REDUCED)))
        assert image.size == (800, 600)
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(path)))


@pytest.fixture(scope="module")
def huge():
    return jpeg(Image.new("L", (12000, 9000), 90))


def test_photographs_of_108_megapixels_pass_the_usual_bound(huge):
    found = prepare(huge, REDUCED, max_pixels=100_000_000)
    assert found.native == (9000, 12000)
    assert difference(found.image, 90).max() <= 1
    with pytest.raises(ImageTooLargeError, match=r"12000 x 9000 pixels are 108.0 megapixels.*--max_megapixels"):
        prepare(huge, WHOLE, max_pixels=100_000_000)


@pytest.mark.parametrize(
    ("most", "progressive", "passes"),
    [
        (80_000, False, True),
        (70_000, False, False),
        (20_000, False, False),
        (80_000, True, False),
        (300_000, True, True),
    ],
)
def test_the_bound_counts_the_pixels_that_are_decoded_and_progressive_files_whole(most, progressive, passes):
    """400 x 700 pixels at half the size are 70,000; a quarter of those in the file is 70,000 as well."""
    content = jpeg(grainy((400, 700)), progressive=progressive)
    with opened(content, max_pixels=10**6) as (image, _):
        decoded = to_rgb(image, enough=REDUCED.enough).image
    assert decoded.width * decoded.height == 70_000
    if passes:
        assert decode(content, max_pixels=most, enough=REDUCED.enough).native == (400, 700)
    else:
        with pytest.raises(ImageTooLargeError, match="more than the"):
            decode(content, max_pixels=most - 1, enough=REDUCED.enough)
