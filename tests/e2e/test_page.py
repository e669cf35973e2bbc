"""The web page in a real browser. Oracle of the scores: the Scorer on the same bytes."""

import base64
import csv
import io
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from e2e.conftest import PATIENCE
from linearityiqa.config import LimitsConfig
from linearityiqa.scoring import Scorer
from live_service import GatedRuntime, Live, encoded, grey, live
from pixel_runtime import PixelRuntime

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
SECOND = 1000
TOKEN = "correct-horse-battery-staple"
expect.set_options(timeout=PATIENCE)
RAMP = np.repeat(np.linspace(0, 255, 60, dtype=np.uint8)[None, :, None], 40, axis=0).repeat(3, axis=2)


@pytest.fixture(scope="module")
def service() -> Iterator[Live]:
    with live() as running:
        yield running


def open_page(visit, service: Live, **options: object) -> playwright.Page:
    """Return the page, once it knows the model."""
    page = visit(service.url, **options)
    expect(page.locator("#model dd")).not_to_have_count(0)
    return page


def bring(page: playwright.Page, files: dict[str, bytes], event: str = "drop") -> None:
    """Drop or paste files onto the page, as a visitor does."""
    contents = [[name, base64.b64encode(content).decode()] for name, content in files.items()]
    page.evaluate(
        """([event, contents]) => {
            const transfer = new DataTransfer();
            for (const [name, content] of contents) {
                const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
                transfer.items.add(new File([bytes], name, { type: "image/png" }));
            }
            document.dispatchEvent(event === "drop"
                ? new DragEvent("drop", { dataTransfer: transfer, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: transfer }));
        }""",
        [event, contents],
    )


def press(page: playwright.Page, key: str, until: Callable[[], object]) -> None:
    """Press a key, and again while nothing comes of it: a page on a busy machine may not be there for the first one."""
    for _ in range(PATIENCE // SECOND):
        page.keyboard.press(key)
        for _ in range(10):
            if until():
                return
            page.wait_for_timeout(SECOND / 10)
    pytest.fail(f"{key} does nothing")


def names(page: playwright.Page) -> list[str]:
    return page.locator(".name").all_text_contents()


def test_two_dropped_files_are_scored_sorted_and_exported(service, visit, tmp_path) -> None:
    files = {"dark.png": grey(20), "=bright.png": grey(230)}
    page = open_page(visit, service)
    bring(page, files)
    expect(page.locator("#summary")).to_have_text("2 of 2 scored")
    scorer = Scorer(PixelRuntime())
    expected = {name: scorer.score(content) for name, content in files.items()}
    shown = {card.locator(".name").text_content(): card.locator("data.score") for card in page.locator(".card").all()}
    assert {name: float(score.get_attribute("value")) for name, score in shown.items()} == pytest.approx(expected)
    assert {name: score.text_content() for name, score in shown.items()} == {n: f"{s:.1f}" for n, s in expected.items()}
    # 1..100 in five grades: 33.9 is in the second fifth, 69.8 in the fourth
    assert page.locator(".quality").all_text_contents() == ["poor", "good"]
    assert page.locator(".meter").first.get_attribute("aria-valuetext").endswith("on a scale from 1 to 100: poor")
    for order, first in [
        ("best", "=bright.png"),
        ("worst", "dark.png"),
        ("name", "=bright.png"),
        ("added", "dark.png"),
    ]:
        page.select_option("#sort", order)
        assert names(page)[0] == first
    page.select_option("#sort", "best")
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "scores.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "scores.csv").read_text(encoding="utf-8-sig"))))
    assert [row["name"] for row in rows] == ["'=bright.png", "dark.png"]  # what a spreadsheet would run is text
    assert [float(row["score"]) for row in rows] == pytest.approx([expected["=bright.png"], expected["dark.png"]])


def test_failures_stand_in_their_place_and_names_are_text(service, visit) -> None:
    page = open_page(visit, service)
    bring(
        page,
        {"<img src=x onerror=alert(1)>.png": grey(), "cut.png": encoded(RAMP)[:80], "small.png": grey(size=(4, 4))},
    )
    expect(page.locator("#summary")).to_have_text("1 of 3 scored, 2 without a score")
    cut, small = page.locator(".card").nth(1), page.locator(".card").nth(2)
    expect(cut.locator(".state")).to_contain_text("cut.png")
    expect(small.locator(".state")).to_contain_text("too small")
    assert names(page)[0] == "<img src=x onerror=alert(1)>.png"
    expect(page.locator("#live")).to_have_text("1 of 3 scored, 2 without a score")
    page.click("#clear")
    expect(page.locator("#results")).to_be_hidden()


def test_a_pasted_photograph_gets_its_map_on_request(service, visit) -> None:
    page = open_page(visit, service)
    bring(page, {"image.png": encoded(RAMP)}, event="paste")
    expect(page.locator("#summary")).to_have_text("1 of 1 scored")
    expect(page.locator(".map")).to_be_hidden()
    page.check("#maps")
    expect(page.locator(".map")).to_be_visible()
    photo, tint = page.locator(".photo").bounding_box(), page.locator(".map").bounding_box()
    assert tint == pytest.approx(photo)
    expect(page.locator(".legend")).to_contain_text("parts score from")
    page.uncheck("#maps")
    expect(page.locator(".map")).to_be_hidden()


def test_the_keyboard_is_enough(service, visit, tmp_path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(grey())
    page = open_page(visit, service)
    choosers: list[playwright.FileChooser] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))  # asked for long before the key that opens one
    press(page, "Tab", until=lambda: page.evaluate("document.activeElement.id") == "files")
    press(page, "Enter", until=lambda: choosers)
    choosers[0].set_files([tmp_path / "a.png", tmp_path / "b.png"])
    expect(page.locator("#summary")).to_have_text("2 of 2 scored")
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached[:4] == ["sort", "maps", "export", "clear"]


def test_stopping_leaves_what_can_be_scored_later(visit) -> None:
    runtime = GatedRuntime()
    with live(runtime) as gated:
        page = open_page(visit, gated)
        runtime.close()
        bring(page, {f"{i}.png": grey(i) for i in range(12)})
        runtime.reached.wait(60)
        expect(page.locator("#done")).to_be_visible()
        page.click("#cancel")
        expect(page.locator("#again")).to_have_text("Score the remaining 12")
        runtime.gate.set()
        page.click("#again")
        expect(page.locator("#summary")).to_have_text("12 of 12 scored")
        expect(page.locator("#again")).to_be_hidden()
        assert names(page) == [f"{i}.png" for i in range(12)]


def test_the_page_asks_for_the_token(visit, tmp_path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    with live(token_file=path, limits=LimitsConfig(max_body_mb=0.1)) as closed:
        page = visit(closed.url)
        expect(page.locator("#access")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        expect(page.locator("#access")).to_be_visible()
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#access-text")).to_contain_text("not the token")
        page.fill("#token", TOKEN)
        page.click("#access button")
        expect(page.locator("#access")).to_be_hidden()
        bring(page, {"a.png": grey(), "large.png": bytes(200_000)})
        expect(page.locator("#summary")).to_have_text("1 of 2 scored, 1 without a score")
        expect(page.locator(".card").nth(1).locator(".state")).to_contain_text("MB allowed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_and_text_stands_out(service, visit, scheme) -> None:
    # oracle: WCAG 2's contrast ratio, of the colours that the browser computed
    page = open_page(visit, service, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    bring(page, {"a-rather-long-file-name-that-does-not-fit-on-a-telephone-at-all.png": grey(), "cut.png": grey()[:50]})
    expect(page.locator("#summary")).to_have_text("1 of 2 scored, 1 without a score")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for place in (
        "h1",
        ".lead",
        ".drop label",
        ".hint",
        "#export",
        ".score",
        ".quality",
        ".ends",
        ".wrong .state",
        "dd",
    ):
        text, ground = page.locator(place).first.evaluate(
            """(element) => {
                const text = getComputedStyle(element).color;
                let ground = "rgba(0, 0, 0, 0)";
                for (; ground === "rgba(0, 0, 0, 0)"; element = element.parentElement)
                    ground = getComputedStyle(element).backgroundColor;
                return [text, ground];
            }"""
        )
        assert contrast(text, ground) >= 4.5, place


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_interface_is_described_without_the_internet(service, visit) -> None:
    page = open_page(visit, service)
    page.goto(f"{service.url}/docs")
    expect(page.locator(".opblock-summary-path").first).to_contain_text("/v1/score")
