"""What Prometheus can read of the service: counts and times, nothing of what was sent."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The measures of one service, in a registry of their own.

    Attributes:
        requests: answers, by path as in the documentation, method and status.
        request_seconds: time from a request's headers to its answer, by path.
        photographs: photographs by outcome: scored, failed, unreadable, too large.
        queue: photographs that wait or are being scored.
        in_flight: requests that are being answered.
        buffered: bytes of bodies that are held.
        batch_size: photographs of a batch.
        network_seconds: time of a batch in the network.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        count = partial(Counter, namespace="linearityiqa", registry=self._registry)
        gauge = partial(Gauge, namespace="linearityiqa", registry=self._registry)
        spread = partial(Histogram, namespace="linearityiqa", registry=self._registry)
        self.requests = count("requests", "Answers", ("path", "method", "status"))
        self.request_seconds = spread("request_seconds", "Time from headers to answer", ("path",), buckets=_SECONDS)
        self.in_flight = gauge("requests_in_flight", "Requests that are being answered")
        self.buffered = gauge("buffered_bytes", "Bytes of bodies that are held")
        self.photographs = count("photographs", "Photographs by outcome", ("outcome",))
        self.queue = gauge("queued_photographs", "Photographs that wait or are being scored")
        self.batch_size = spread("batch_photographs", "Photographs of a batch", buckets=(1, 2, 4, 8, 16, 32, 64))
        self.network_seconds = spread("network_seconds", "Time of a batch in the network", buckets=_SECONDS)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All measures in Prometheus' text format."""
        return generate_latest(self._registry)
