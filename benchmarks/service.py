"""Throughput and latency of the service against the offline pipeline, on the same files and model.

    python benchmarks/service.py --model model.onnx --images photos/

Offline (`Scorer.score_many`) and service take turns. The clients run on the same machine and take their share of it.
"""

import argparse
import contextlib
import http.client
import itertools
import json
import statistics
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from serving_process import Service, running

from linearityiqa.scoring import Scorer


@dataclass
class Load:
    """What the clients of one round saw."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    worst_difference: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--count", type=int, default=500, help="photographs of the folder that are used")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60, help="of each arm of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--options", nargs="*", default=[], help="further words of linearityiqa serve, -- left out")
    args = parser.parse_args()
    paths = sorted(path for path in args.images.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    paths = paths[: args.count]
    scorer = Scorer(args.model)
    expected = {str(path): scorer.score(path) for path in paths[: min(len(paths), 50)]}
    offline, served, loads = [], [], []
    options = [f"--{word}" if word[0].isalpha() else word for word in args.options]
    with running(["--model", str(args.model), *options]) as service:
        ask(service, paths, expected, args.clients, min(5, args.seconds))  # warms up
        for _ in range(args.rounds):
            offline.append(offline_rate(scorer, paths, args.seconds))
            loads.append(ask(service, paths, expected, args.clients, args.seconds))
            served.append(len(loads[-1].seconds) / args.seconds)
        batches = mean_batch(service)
    report(offline, served, loads, batches, args.clients)


def offline_rate(scorer: Scorer, paths: list[Path], seconds: float) -> float:
    """Photographs a second of the offline pipeline."""
    done = 0
    with contextlib.closing(scorer.score_many(itertools.cycle(paths))) as results:
        next(results)
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            next(results)
            done += 1
        return done / (time.perf_counter() - start)


def ask(service: Service, paths: list[Path], expected: dict[str, float], clients: int, seconds: float) -> Load:
    """Let clients send one photograph after the other, each in a request of its own."""
    load = Load()
    end = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=client, args=(service, paths[i:] + paths[:i], expected, end, load))
        for i in range(0, clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return load


def client(service: Service, paths: list[Path], expected: dict[str, float], end: float, load: Load) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
    for path in itertools.cycle(paths):
        if time.perf_counter() >= end:
            return
        content = path.read_bytes()
        start = time.perf_counter()
        connection.request("POST", "/v1/score", body=content, headers={"Content-Type": "application/octet-stream"})
        answer = connection.getresponse()
        text = answer.read()
        taken = time.perf_counter() - start
        with load.lock:
            if answer.status != 200:
                load.errors.append(f"{answer.status} {text[:200]!r}")
            elif time.perf_counter() < end:
                load.seconds.append(taken)
                score = json.loads(text)["results"][0]["score"]
                load.worst_difference = max(load.worst_difference, abs(score - expected.get(str(path), score)))


def mean_batch(service: Service) -> float:
    """Mean photographs of a batch, by the service's own count."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics") as answer:
        lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
    return float(lines["linearityiqa_batch_photographs_sum"]) / float(lines["linearityiqa_batch_photographs_count"])


def report(offline: list[float], served: list[float], loads: list[Load], batch: float, clients: int) -> None:
    ratios = [b / a for a, b in zip(offline, served, strict=True)]
    seconds = sorted(itertools.chain.from_iterable(load.seconds for load in loads))
    percentiles = statistics.quantiles(seconds, n=100)
    errors = [error for load in loads for error in load.errors]
    print(f"offline                {statistics.median(offline):8.2f} photographs/s (median of {len(offline)} rounds)")
    print(f"service, {clients:3d} clients   {statistics.median(served):8.2f} photographs/s")
    print(f"service / offline      {statistics.median(ratios):8.1%} ({min(ratios):.1%} to {max(ratios):.1%})")
    print(f"answers                {len(seconds):8d}; errors {len(errors)}; photographs a batch {batch:.1f}")
    print(f"latency                p50 {percentiles[49] * 1000:.0f} ms, p99 {percentiles[98] * 1000:.0f} ms")
    print(f"largest difference of a score from the offline one: {max(load.worst_difference for load in loads):.2g}")
    for error in errors[:5]:
        print(f"error: {error}")


if __name__ == "__main__":
    main()
