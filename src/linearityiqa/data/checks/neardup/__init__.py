"""Near-duplicates: images that show the same picture, though their files and pixels differ."""

from linearityiqa.data.checks.neardup.groups import Groups
from linearityiqa.data.checks.neardup.search import Link, NearDuplicates, find_near_duplicates
from linearityiqa.data.checks.neardup.thumbnails import SIDE, thumbnail

__all__ = ["SIDE", "Groups", "Link", "NearDuplicates", "find_near_duplicates", "thumbnail"]
