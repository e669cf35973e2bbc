"""Computed numbers beside the published ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from linearityiqa.reporting import Table


@dataclass(frozen=True)
class Comparison:
    """A number that was computed, of our runs or of the authors' files, and the published one.

    Attributes:
        quantity: what both are.
        computed: the value from the runs or files.
        published: the published value, as printed.
        source: where it is published.
        interval: bootstrap interval of the computed value over the test images, or None where there is none.
    """

    quantity: str
    computed: float
    published: float
    source: str
    interval: tuple[float, float] | None = None

    @property
    def difference(self) -> float:
        """Computed minus published."""
        return self.computed - self.published

    @property
    def inside(self) -> bool | None:
        """Whether the published value lies in the interval; None where there is no interval."""
        return None if self.interval is None else self.interval[0] <= self.published <= self.interval[1]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "quantity": self.quantity,
            "computed": self.computed,
            "published": self.published,
            "difference": self.difference,
            "interval": list(self.interval) if self.interval else None,
            "published_inside_interval": self.inside,
            "source": self.source,
        }


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """All comparisons as one table."""
    verdict = {True: "yes", False: "no", None: None}
    rows = [
        [
            one.quantity,
            one.computed,
            f"{one.published:g}",
            f"{one.difference:+.4f}",
            f"{one.interval[0]:.4f}\N{NO-BREAK SPACE}..\N{NO-BREAK SPACE}{one.interval[1]:.4f}"
            if one.interval
            else None,
            verdict[one.inside],
            one.source,
        ]
        for one in comparisons
    ]
    columns = ["Quantity", "Computed", "Published", "Difference", "95 % interval", "Published inside", "Source"]
    return Table("Computed beside the published numbers", columns, rows)
