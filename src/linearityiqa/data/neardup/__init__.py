"""Near-duplicates: images that show the same picture, though their files and pixels differ."""

from linearityiqa.data.neardup.groups import Groups
from linearityiqa.data.neardup.search import Link, NearDuplicates, find_near_duplicates
from linearityiqa.data.neardup.thumbnails import SIDE, thumbnail

__all__ = ["SIDE", "Groups", "Link", "NearDuplicates", "find_near_duplicates", "thumbnail"]
