"""The page of `score --report` in a real browser, opened from the disk. Oracle: the results that it was made of."""

import shutil
from pathlib import Path

import pytest

from e2e.conftest import PATIENCE
from linearityiqa.images.thumbnails import thumbnail
from linearityiqa.scoring import Details, ImageScore, Scorer
from linearityiqa.scoring.bursts import Place
from linearityiqa.scoring.gallery import Gallery
from pictures import make_picture
from pixel_runtime import PixelRuntime, make_record

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
HOSTILE = "</script><img src=x onerror=alert(1)>.jpg"
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """A page of 3,000 photographs, `<number>.jpg`, whose scores rise evenly with the number, and of a failure."""
    folder = tmp_path_factory.mktemp("many")
    pictures = [thumbnail(make_picture(seed)) for seed in range(5)]
    page = Gallery(folder / "page.html", make_record(), 10**8)
    for i in range(3000):
        page.add(ImageScore(f"photos/{i}.jpg", score=1 + i * 99 / 3000, thumbnail=pictures[i % 5]))
    page.add(ImageScore(HOSTILE, error=f"{HOSTILE} is empty"))
    page.write()
    page.close()
    return folder / "page.html"


@pytest.fixture
def few(tmp_path, monkeypatch) -> Path:
    """A page of three photographs with maps, beside them."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    names = [f"photos/{name}.png" for name in ("ä %20#?", "b", "c")]
    for i, name in enumerate(names):
        make_picture(i, (300, 500)).save(name)
    page = Gallery(tmp_path / "page.html", make_record(), 10**8)
    for result in Scorer(PixelRuntime()).score_many(names, Details(maps=True, thumbnails=True)):
        page.add(result)
    page.write()
    page.close()
    return tmp_path / "page.html"


def names(page: playwright.Page) -> list[str]:
    return page.locator(".card .name").all_text_contents()


def test_only_what_is_in_sight_exists_and_all_can_be_reached(many, visit) -> None:
    page = visit(many.as_uri())
    expect(page.locator("#count")).to_have_text("3,000 photographs")
    assert names(page)[:2] == ["0.jpg", "1.jpg"]
    assert page.locator(".card").count() < 100
    page.wait_for_function("[...document.images].some((image) => image.naturalWidth > 100)")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(".card", has_text="2999.jpg")).to_be_visible()
    assert page.locator(".card").count() < 100


def test_bursts_are_together_best_first_and_say_the_lead(tmp_path, visit) -> None:
    page = Gallery(tmp_path / "page.html", make_record(), 10**8)
    scores = {"a.jpg": 50.0, "b.jpg": 70.0, "alone.jpg": 10.0, "c.jpg": 30.0, "d.jpg": 31.5}
    for name, score in scores.items():
        page.add(ImageScore(name, score=score))
    page.write(
        {
            "a.jpg": Place(1, 2, 2, None, None),
            "b.jpg": Place(1, 1, 2, 20.0, True),
            "alone.jpg": Place(2, 1, 1, None, None),
            "c.jpg": Place(3, 2, 2, None, None),
            "d.jpg": Place(3, 1, 2, 1.5, False),
        }
    )
    page.close()
    page = visit((tmp_path / "page.html").as_uri())
    expect(page.locator("#sort")).to_have_value("bursts")
    assert names(page) == ["b.jpg", "a.jpg", "d.jpg", "c.jpg", "alone.jpg"]
    assert page.locator(".card .detail").all_text_contents() == [
        "burst 1: best of 2, 20.00 above the next (more than the spread)",
        "burst 1: no. 2 of 2",
        "burst 3: best of 2, 1.50 above the next (within the spread)",
        "burst 3: no. 2 of 2",
        "",
    ]
    page.locator("#sort").select_option("worst")
    assert names(page) == ["alone.jpg", "c.jpg", "d.jpg", "a.jpg", "b.jpg"]


def test_sorting_filtering_and_going_back(many, visit) -> None:
    page = visit(many.as_uri())
    page.select_option("#sort", "best")
    expect(page.locator(".card .name").first).to_have_text("2999.jpg")
    page.select_option("#sort", "name")
    assert names(page)[:3] == ["0.jpg", "1.jpg", "2.jpg"]  # by number, not 0, 1, 10
    page.fill("#search", "299")
    expect(page.locator("#count")).to_have_text("13 photographs")  # 299, 1299, 2299, 2990 to 2999
    page.fill("#search", "")
    page.fill("#from", "50.5")
    page.locator("#from").blur()
    expect(page.locator("#count")).to_have_text("1,500 photographs")
    assert page.locator("#low").input_value() == "50.5"
    page.locator("#high").focus()
    page.keyboard.press("Home")  # no higher than the other end of the range
    expect(page.locator("#reset")).to_be_visible()
    page.click("#reset")
    expect(page.locator("#count")).to_have_text("3,000 photographs")
    page.click(".chip[value=good]")
    expect(page.locator("#count")).to_have_text("600 photographs")
    assert set(page.locator(".card .grade").all_text_contents()) == {"good"}


def test_failures_are_listed_with_their_reason_and_names_are_text(many, visit) -> None:
    page = visit(many.as_uri())
    page.click(".chip[value=failed]")
    expect(page.locator("#count")).to_have_text("1 photograph")
    expect(page.locator(".card .detail")).to_have_text(f"{HOSTILE} is empty")
    page.locator(".card button").click()
    expect(page.locator("#viewer-name")).to_have_text(HOSTILE)
    expect(page.locator("#absent")).to_be_visible()


def test_a_click_shows_the_photograph_itself_and_where_quality_is_lost(few, visit) -> None:
    page = visit(few.as_uri())
    page.locator(".card", has_text="ä %20#?.png").locator("button").click()
    page.wait_for_function("document.getElementById('photo').src.startsWith('file:')")  # not only the small copy
    assert page.evaluate("document.getElementById('photo').naturalWidth") == 500
    expect(page.locator("#tint")).to_be_hidden()
    page.keyboard.press("m")
    expect(page.locator("#tint")).to_be_visible()
    expect(page.locator("#legend")).to_contain_text("parts score from")
    photo, tint = page.locator("#photo").bounding_box(), page.locator("#tint").bounding_box()
    assert tint == pytest.approx(photo)
    assert photo["width"] / photo["height"] == pytest.approx(500 / 300, rel=0.01)


def test_a_page_without_its_photographs_shows_the_copies_inside(few, visit, tmp_path) -> None:
    shutil.rmtree(tmp_path / "photos")
    page = visit(few.as_uri())
    page.locator(".card button").first.click()
    page.wait_for_function("document.getElementById('photo').naturalWidth == 500")  # the larger copy: of all its pixels
    assert page.evaluate("document.getElementById('photo').src").startswith("data:image/webp;base64,")


def test_the_keyboard_is_enough(many, visit) -> None:
    page = visit(many.as_uri(), viewport={"width": 820, "height": 900})
    columns = page.evaluate("grid.columns")
    page.locator("#sort").focus()
    page.keyboard.press("Tab")
    for key, place in [("ArrowRight", 1), ("ArrowDown", 1 + columns), ("End", 2999), ("ArrowUp", 2999 - columns)]:
        page.keyboard.press(key)
        expect(page.locator(":focus .name")).to_have_text(f"{place}.jpg")
        expect(page.locator(":focus")).to_be_in_viewport()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer-name")).to_have_text("photos/0.jpg")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#place")).to_have_text("2 of 3,000")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(":focus .name")).to_have_text("1.jpg")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_nothing_is_wider_than_the_window(many, visit, width, scheme) -> None:
    page = visit(many.as_uri(), viewport={"width": width, "height": 844}, color_scheme=scheme)
    expect(page.locator("#count")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".card button").first.click()
    assert page.evaluate("document.getElementById('viewer').scrollWidth") <= width
    box = page.locator("#after").bounding_box()
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= 844


def test_on_paper_every_photograph_is_there_and_no_card_is_cut(tmp_path, visit) -> None:
    gallery = Gallery(tmp_path / "page.html", make_record(), 10**8)
    for i in range(60):
        gallery.add(ImageScore(f"{i}.jpg", score=1 + i, thumbnail=thumbnail(make_picture(i % 5))))
    gallery.write()
    gallery.close()
    page = visit((tmp_path / "page.html").as_uri(), viewport={"width": 700, "height": 400})
    assert page.locator(".card").count() < 60
    page.evaluate(
        "addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('.card').length; })"
    )
    page.pdf(format="A4")
    assert page.evaluate("window.printed") == 60
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    boxes = page.locator(".card").evaluate_all("all => all.map(card => card.getBoundingClientRect().toJSON())")
    assert max(box["right"] for box in boxes) <= 700
    assert len({(box["left"], box["top"]) for box in boxes}) == 60
    assert set(page.locator(".card").evaluate_all("all => all.map(card => getComputedStyle(card).breakInside)")) == {
        "avoid"
    }
