"""Thousands of hostile requests at once: how they are answered, and what is left of them afterwards.

    python benchmarks/hostile_requests.py --model model.onnx --images photos/

Fuzzed forms, truncated images, decompression bombs, wrong types, slow bodies, lies about the length, bytes that are no
HTTP. Printed: answers by kind and status, memory of the service before and after, and whether scores are the same.
"""

import argparse
import collections
import contextlib
import http.client
import io
import json
import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from serving_process import Service, running

LIMITS = ["--body_seconds", "1", "--max_body_mb", "8", "--max_buffer_mb", "256"]


def form(rng: np.random.Generator, photo: bytes) -> bytes:
    """A form of truncated photographs, with bytes changed, cut out and doubled anywhere, mostly near its boundaries."""
    part = b'--b0undary\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n%b\r\n'
    body = bytearray(
        b"".join(part % photo[: rng.integers(0, 400)] for _ in range(rng.integers(1, 6))) + b"--b0undary--\r\n"
    )
    for _ in range(rng.integers(1, 20)):
        at, span = int(rng.integers(0, max(1, len(body)))), int(rng.integers(1, 30))
        change = int(rng.integers(0, 3))
        if change == 0:
            body[at : at + span] = rng.bytes(span)
        elif change == 1:
            del body[at : at + span]
        else:
            body[at:at] = body[at : at + span] * int(rng.integers(1, 50))
    return request(bytes(body), "multipart/form-data; boundary=b0undary")


def truncated(rng: np.random.Generator, photo: bytes) -> bytes:
    """The beginning of a photograph."""
    return request(photo[: int(len(photo) * rng.uniform(0, 0.9))], "image/jpeg")


def bomb(rng: np.random.Generator, photo: bytes) -> bytes:
    """A small file that says, or is, a picture of very many pixels."""
    return request(BOMBS[rng.integers(0, len(BOMBS))], "image/png")


def wrong(rng: np.random.Generator, photo: bytes) -> bytes:
    """Wrong types, encodings, methods, paths and parameters."""
    kinds = [
        request(photo, "application/json"),
        request(photo, "multipart/form-data"),
        request(photo, "image/jpeg", extra="Content-Encoding: gzip\r\n"),
        request(photo, "image/jpeg", method="PUT"),
        request(photo, "image/jpeg", path="/v1/" + rng.bytes(8).hex()),
        request(photo, "image/jpeg", path="/v1/score?map=" + rng.bytes(4).hex()),
        request(b"", "image/jpeg"),
        request(rng.bytes(2000), "application/octet-stream"),
    ]
    return kinds[rng.integers(0, len(kinds))]


def slow(rng: np.random.Generator, photo: bytes) -> bytes:
    """A body that stops half way; headers that do are left to a proxy."""
    whole = request(photo, "image/jpeg")
    return whole[: int(rng.integers(200, len(whole) - 1))]


def lie(rng: np.random.Generator, photo: bytes) -> bytes:
    """A length that is not the body's, or a body without end."""
    if rng.random() < 0.5:
        return request(photo[:500], "image/jpeg", length=int(rng.integers(0, 400)))
    endless = request(b"", "image/jpeg", length=None, extra="Transfer-Encoding: chunked\r\n")
    return endless + (b"10000\r\n" + bytes(65536) + b"\r\n") * 130


def noise(rng: np.random.Generator, photo: bytes) -> bytes:
    """Bytes that are no HTTP."""
    return rng.bytes(int(rng.integers(1, 500))) + b"\r\n\r\n"


KINDS = {form: 0.4, truncated: 0.25, bomb: 0.05, wrong: 0.2, slow: 0.02, lie: 0.03, noise: 0.05}
"""Each kind of request, and its share."""


def request(
    body: bytes, kind: str, *, method: str = "POST", path: str = "/v1/score", extra: str = "", length: int | None = -1
) -> bytes:
    declared = "" if length is None else f"Content-Length: {len(body) if length < 0 else length}\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n{declared}{extra}\r\n"
    return head.encode() + body


def bombs() -> list[bytes]:
    def png(width: int, height: int, data: bytes) -> bytes:
        def chunk(name: bytes, content: bytes) -> bytes:
            return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")

    plain = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(plain, "PNG")
    tiff = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(tiff, "TIFF", compression="group4")
    return [png(60_000, 60_000, b"x"), png(2**31 - 1, 2**31 - 1, b"x"), plain.getvalue(), tiff.getvalue()]


BOMBS: list[bytes] = []


def exchange(service: Service, sent: bytes) -> str:
    """Send, and the status of the answer in words."""
    try:
        with socket.create_connection(("127.0.0.1", service.port), timeout=120) as connection:
            with contextlib.suppress(OSError):  # refused before all was sent; the answer may be here all the same
                connection.sendall(sent)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
    except OSError as failure:
        return type(failure).__name__
    return received[9:12].decode("ascii", "replace") or "closed"


def score(service: Service, content: bytes) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
    connection.request("POST", "/v1/score", body=content, headers={"Content-Type": "image/jpeg"})
    return float(json.loads(connection.getresponse().read())["results"][0]["score"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder of JPEG photographs")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--options", nargs="*", default=[], help="further words of linearityiqa serve, -- left out")
    args = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(args.images.rglob("*.jpg"))[:20]]
    BOMBS.extend(bombs())
    answers: dict[str, collections.Counter[str]] = {kind.__name__: collections.Counter() for kind in KINDS}
    options = [f"--{word}" if word[0].isalpha() else word for word in args.options]
    with (
        running(["--model", str(args.model), *LIMITS, *options]) as service,
        ThreadPoolExecutor(args.clients) as clients,
    ):

        def attack(number: int) -> None:
            rng = np.random.default_rng([args.seed, number])
            kind = rng.choice(list(KINDS), p=list(KINDS.values()))
            answers[kind.__name__][exchange(service, kind(rng, photos[number % len(photos)]))] += 1

        def friendly() -> list[float]:
            """Photographs from all clients at once; the scores of a few, one after the other, so in batches of one."""
            list(clients.map(lambda photo: score(service, photo), photos * 5))
            return [score(service, photo) for photo in photos]

        friendly()
        before, memory = friendly(), {"before": service.anonymous_mb}
        started = time.perf_counter()
        for share in (0.1, 1.0):
            first = 0 if share == 0.1 else round(0.1 * args.requests)
            list(clients.map(attack, range(first, round(share * args.requests))))
            memory[f"after {round(share * args.requests)}"] = service.anonymous_mb
        seconds = time.perf_counter() - started
        after = friendly()
        memory["after photographs again"] = service.anonymous_mb
    for kind, counts in answers.items():
        print(f"{kind:10} " + "  ".join(f"{status}: {count}" for status, count in sorted(counts.items())))
    statuses = sum(answers.values(), collections.Counter())
    failed = sum(count for status, count in statuses.items() if status.startswith("5") and status != "503")
    print(f"all        {dict(sorted(statuses.items()))} in {seconds:.0f} s; answered 5xx, other than 503: {failed}")
    print("anonymous memory of the service, MB: " + ", ".join(f"{when} {mb:.0f}" for when, mb in memory.items()))
    print(f"scores unchanged: {before == after}")


if __name__ == "__main__":
    main()
