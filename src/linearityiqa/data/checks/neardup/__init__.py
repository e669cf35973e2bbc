"""Near-duplicates: images that show the same picture, though their files and pixels differ."""

from linearityiqa.data.checks.neardup.search import Groups, Link, NearDuplicates, find_near_duplicates
from linearityiqa.data.checks.neardup.signatures import SIDE, thumbnail

__all__ = ["SIDE", "Groups", "Link", "NearDuplicates", "find_near_duplicates", "thumbnail"]
