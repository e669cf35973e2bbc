"""What is asked and what is answered. Oracle of the scores: the Scorer itself, on the same bytes."""

import base64
import io
import json
import math
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa.config import LimitsConfig, TransformConfig
from linearityiqa.hub import bundled_card
from linearityiqa.scoring import Scorer
from linearityiqa.serving.gate import HEADERS, Token
from live_service import encoded, grey
from pixel_runtime import PixelRuntime, make_record
from serving.conftest import TOKEN

PNG = {"content-type": "image/png"}
SECRET = "what the message quotes"
PROBLEM = "application/problem+json"


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{i}.png", content)) for i, content in enumerate(contents)]


def test_files_of_several_sizes_are_scored_in_their_order(serve) -> None:
    contents = [grey(level, size) for level, size in [(10, (32, 48)), (250, (20, 30)), (99, (32, 48)), (7, (20, 30))]]
    results = serve().post("/v1/score", files=files(*contents)).json()["results"]
    scorer = Scorer(PixelRuntime())
    assert [result["name"] for result in results] == ["0.png", "1.png", "2.png", "3.png"]
    assert [result["score"] for result in results] == pytest.approx([scorer.score(content) for content in contents])


def test_a_raw_body_is_one_photograph(serve) -> None:
    client = serve()
    answer = client.post("/v1/score?name=holiday.png", content=grey(200), headers=PNG)
    (result,) = answer.json()["results"]
    assert result["name"] == "holiday.png"
    assert result["score"] == pytest.approx(Scorer(PixelRuntime()).score(grey(200)))
    assert result["error"] is None
    untyped = client.post("/v1/score", content=grey(200), headers={"content-type": ""})
    assert untyped.status_code == 415
    assert client.post("/v1/score", content=grey(200)).json()["results"][0]["score"] == result["score"]


def test_position_and_words_follow_from_the_scale(serve) -> None:
    # 1..100: fifths end at 20.8, 40.6, 60.4, 80.2
    answer = serve().post("/v1/score", files=files(grey(0), grey(128), grey(255)))
    scale = answer.json()["scale"]
    for result in answer.json()["results"]:
        position = (result["score"] - scale["low"]) / (scale["high"] - scale["low"])
        assert result["position"] == pytest.approx(position)
        assert result["quality"] == ["bad", "poor", "fair", "good", "excellent"][math.floor(5 * position)]
        assert result["on_scale"] is True


def test_a_score_beyond_the_scale_is_not_clipped_but_its_position_is(serve) -> None:
    class Bright(PixelRuntime):
        def predict(self, batch):
            return super().predict(batch) + 10

    (result,) = serve(Bright()).post("/v1/score", content=grey(), headers=PNG).json()["results"]
    assert result["score"] > 100
    assert (result["on_scale"], result["position"], result["quality"]) == (False, 1.0, "excellent")


def test_an_unknown_scale_gives_neither_position_nor_words(serve) -> None:
    answer = serve(PixelRuntime(make_record(scale=None))).post("/v1/score", content=grey(), headers=PNG).json()
    result = answer["results"][0]
    assert answer["scale"] is None
    assert (result["on_scale"], result["position"], result["quality"]) == (None, None, None)
    assert result["score"] is not None


def test_one_bad_file_spoils_no_other(serve) -> None:
    answer = serve().post("/v1/score", files=files(grey(), grey()[:60], grey(size=(8, 8))))
    good, cut, small = answer.json()["results"]
    assert answer.status_code == 200
    assert good["score"] is not None
    assert cut["error"]["status"] == small["error"]["status"] == 422
    assert "1.png" in cut["error"]["detail"]
    assert "too small" in small["error"]["detail"]


def test_nothing_scored_is_a_problem_that_names_the_file(serve) -> None:
    answer = serve().post("/v1/score", files=files(b"nonsense"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["title"] == "Unprocessable Entity"
    assert problem["detail"] == problem["results"][0]["error"]["detail"]
    assert "0.png" in problem["detail"]


def test_a_map_is_a_tint_that_is_strongest_where_the_score_is_lowest(serve) -> None:
    # oracle: the runtime's map is the mean of each quarter; here the quarter at the bottom right is darkest
    pixels = np.full((32, 48, 3), 200, dtype=np.uint8)
    pixels[16:, 24:] = 0
    (result,) = serve().post("/v1/score?map=true", content=encoded(pixels), headers=PNG).json()["results"]
    kind, _, data = result["map"]["image"].partition(",")
    tint = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "data:image/png;base64"
    assert (result["map"]["height"], result["map"]["width"]) == (tint.height, tint.width) == (2, 2)
    opacity = np.asarray(tint)[..., 3]
    assert opacity[1, 1] > opacity[0, 0]
    assert opacity[0, 0] == opacity[0, 1] == opacity[1, 0]
    assert result["map"]["worst"] < result["map"]["best"]


def test_a_map_that_the_model_does_not_give_is_refused(serve) -> None:
    class Plain:
        on_gpu = False
        record = make_record()
        predict = PixelRuntime().predict

    client = serve(Plain())
    assert client.get("/v1/model").json()["maps"] is False
    answer = client.post("/v1/score?map=true", content=grey(), headers=PNG)
    assert answer.status_code == 422
    assert client.post("/v1/score", content=grey(), headers=PNG).status_code == 200


@pytest.mark.parametrize(
    ("request_of", "status", "words"),
    [
        ({"content": bytes(3000), "headers": PNG}, 413, "0.002 MB"),
        ({"content": iter([bytes(900)] * 4), "headers": PNG}, 413, "0.002 MB"),
        ({"files": files(b"a", b"b", b"c")}, 413, "more than the 2 files"),
        ({"content": grey(size=(100, 101)), "headers": PNG}, 413, "megapixels"),
        ({"content": b"", "headers": PNG}, 422, "empty"),
        ({"content": b"{}", "headers": {"content-type": "application/json"}}, 415, "multipart/form-data"),
        ({"content": b"", "headers": {"content-type": "multipart/form-data"}}, 400, "boundary"),
        ({"content": grey(), "headers": PNG | {"content-encoding": "gzip"}}, 415, "Content-Encoding"),
    ],
    ids=["bytes", "chunked bytes", "files", "pixels", "nothing", "json", "boundary", "gzip"],
)
def test_limits_and_wrong_bodies(serve, request_of, status, words) -> None:
    client = serve(limits=LimitsConfig(max_body_mb=0.002, max_files=2, max_megapixels=0.01))
    answer = client.post("/v1/score", **request_of)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert words in answer.json()["detail"]
    assert answer.json()["status"] == status


def test_what_a_request_held_is_given_back(serve) -> None:
    client = serve(limits=LimitsConfig(max_body_mb=0.001, max_buffer_mb=0.001))
    answer = client.post("/v1/score", content=iter([bytes(990)]), headers=PNG)
    assert answer.status_code == 422
    assert client.post("/v1/score", content=bytes(990), headers=PNG).status_code == 422
    assert "buffered_bytes 0.0" in client.get("/metrics").text


def test_the_model_is_described(serve) -> None:
    model = serve(PixelRuntime(make_record(transform=TransformConfig(resize=True)))).get("/v1/model").json()
    assert model["scale"] == {"low": 1, "high": 100, "note": ""}
    assert model["transform"] == "resized to 498 x 664"
    assert model["maps"] is True
    assert model["limits"] == {"max_body_bytes": 64_000_000, "max_files": 32, "max_pixels": 50_000_000}
    assert (model["version"], model["software"]) == (version("linearityiqa"), "test 1")


def test_v1_wants_the_token_and_nothing_else_does(serve, token_file) -> None:
    client = serve(token=Token(token_file))
    refused = client.post("/v1/score", content=grey(), headers=PNG)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.headers["content-type"] == PROBLEM
    for wrong in ("Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", "Bearer \xe4"):
        assert client.get("/v1/model", headers={"authorization": wrong.encode("latin-1")}).status_code == 401
    for right in (f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
        assert client.get("/v1/model", headers={"authorization": right}).status_code == 200
    assert all(client.get(path).status_code == 200 for path in ("/", "/docs", "/healthz", "/metrics", "/openapi.json"))
    assert "HTTPBearer" in client.get("/openapi.json").text


def test_other_web_sites_cannot_use_a_visitors_browser(serve) -> None:
    client = serve()
    assert client.get("/v1/model", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.get("/v1/model", headers={"sec-fetch-site": "same-origin"}).status_code == 200
    preflight = client.options(
        "/v1/score", headers={"origin": "https://x.org", "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/v1/model", "/nowhere", "/metrics", "/docs", "/assets/page.js"])
def test_every_answer_has_the_security_headers(serve, path) -> None:
    headers = serve().get(path).headers
    assert set(map(str.lower, HEADERS)) <= set(headers)
    assert "default-src 'none'" in headers["content-security-policy"]


def test_metrics_count_answers_and_photographs_but_name_nothing_that_was_sent(serve) -> None:
    client = serve()
    client.post("/v1/score", files=[("files", ("secret-name.png", grey())), ("files", ("b.png", b"x"))])
    client.get("/secret-path")
    text = client.get("/metrics").text
    assert 'linearityiqa_requests_total{method="POST",path="/v1/score",status="200"} 1.0' in text
    assert 'linearityiqa_photographs_total{outcome="scored"} 1.0' in text
    assert 'linearityiqa_photographs_total{outcome="unreadable"} 1.0' in text
    assert "secret" not in text


def test_an_unforeseen_failure_is_answered_and_logged_without_what_was_sent(serve, caplog) -> None:
    class Broken(PixelRuntime):
        def predict(self, batch):
            if self.batches:
                raise ValueError(SECRET)
            return super().predict(batch)

    client = serve(Broken())
    answer = client.post("/v1/score", files=[("files", ("secret-name.png", grey()))])
    assert (answer.status_code, answer.headers["content-type"]) == (500, PROBLEM)
    assert SECRET not in answer.text
    assert "a request failed with ValueError" in caplog.text
    assert SECRET not in caplog.text
    assert "secret-name" not in caplog.text


def test_wrong_parameters_paths_and_methods_are_problems(serve) -> None:
    client = serve()
    for answer, status in [
        (client.post("/v1/score?map=perhaps", content=grey(), headers=PNG), 422),
        (client.post("/v1/score?maps=true", content=grey(), headers=PNG), 422),
        (client.get("/nowhere"), 404),
        (client.get("/v1/score"), 405),
    ]:
        assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
        assert json.loads(answer.content)["status"] == status
    assert client.get("/v1/score").headers["allow"] == "POST"


def test_a_model_of_pseudo_labels_says_so_and_gives_no_grades(serve) -> None:
    client = serve(PixelRuntime(replace(make_record(), opinions=False)))
    (result,) = client.post("/v1/score", content=grey(), headers=PNG).json()["results"]
    assert result["quality"] is None
    assert 0 <= result["position"] <= 1
    model = client.get("/v1/model").json()
    assert model["labels"] == "pseudo-labels that no person gave"
    assert serve().get("/v1/model").json()["labels"] == "people's opinions"


def test_the_card_of_the_model_in_the_package_is_a_page(serve) -> None:
    # oracle: the Markdown itself: its title, the cells of a table, and no mark-up left
    client = serve()
    answer = client.get("/card")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    title = bundled_card().read_text(encoding="utf-8").splitlines()[0]
    assert f"<h1>{title.removeprefix('# ')}</h1>" in answer.text
    assert "<td>" in answer.text
    assert not re.search(r"\*\*|^#|^\|", answer.text, re.MULTILINE)
    assert client.get("/v1/model").json()["card"] == "/card"
    assert serve(trained_model_file=Path("own.onnx")).get("/v1/model").json()["card"] is None


def test_no_redirect_follows_the_header_host(serve) -> None:
    answer = serve().get("/docs/", headers={"host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert "location" not in answer.headers
