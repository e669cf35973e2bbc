"""Things that belong together because a chain of pairs connects them."""

import numpy as np


class Groups:
    """Disjoint sets of the numbers 0 to count - 1, each alone at first (union-find with path halving).

    >>> groups = Groups(4)
    >>> groups.join(0, 2), groups.join(2, 3), groups.join(3, 0)
    (True, True, False)
    >>> groups.members()
    [[0, 2, 3]]
    """

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)

    def root(self, item: int) -> int:
        """The number that stands for the group of `item`."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = int(parent[item])
        return item

    def joined(self, first: int, second: int) -> bool:
        """Whether two numbers are in one group."""
        return self.root(first) == self.root(second)

    def join(self, first: int, second: int) -> bool:
        """Put two numbers into one group; False where they were already."""
        a, b = sorted((self.root(first), self.root(second)))
        self._parent[b] = a
        return a != b

    def members(self) -> list[list[int]]:
        """The groups of more than one, each ascending, in the order of their first members."""
        found: dict[int, list[int]] = {}
        for item in range(len(self._parent)):
            found.setdefault(self.root(item), []).append(item)
        return [group for group in found.values() if len(group) > 1]
