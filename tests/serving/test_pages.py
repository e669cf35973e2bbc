"""The files of the page. Oracle: what browsers would fetch, found in the files themselves."""

import re
from importlib.resources import files

import pytest

OURS = [file.name for file in files("linearityiqa.serving").joinpath("assets").iterdir() if file.is_file()]


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_everything_that_a_page_loads_is_served_here(serve, page) -> None:
    client = serve()
    text = client.get(page).text
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    imports = [
        f"assets/{name}" for script in re.findall(r'src="(assets/page\.js)"', text)
        for name in re.findall(r'from "\./([^"]+)"', client.get(f"/{script}").text)
    ]  # fmt: skip
    assert len(links) > 3
    for link in {*links, *imports}:
        answer = client.get(f"/{link}")
        assert answer.status_code == 200, link
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", OURS)
def test_our_files_name_no_other_host_and_hold_no_inline_script(name) -> None:
    text = files("linearityiqa.serving").joinpath("assets", name).read_text()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=\"|style=\"|javascript:|innerHTML|\beval\(", text)


def test_scripts_are_only_those_of_the_service(serve) -> None:
    client = serve()
    for path in ("/", "/docs"):
        assert "script-src 'self';" in client.get(path).headers["content-security-policy"]
    assert "style-src 'self';" in client.get("/").headers["content-security-policy"]
