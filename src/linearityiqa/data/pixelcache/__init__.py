"""Decoded and resized images in one file on disk, made once and read by every later run.

A cache belongs to a table of images and a transform, and serves every split of that table. `open_cache` finds it, or
makes it; a run's `ImageDataset` then reads pixels instead of decoding files.
"""

from linearityiqa.data.pixelcache.building import Heed
from linearityiqa.data.pixelcache.folder import cache_folder, open_cache
from linearityiqa.data.pixelcache.reading import CachedImages, PixelCache
from linearityiqa.data.pixelcache.source import Decoding, PixelSource

__all__ = ["CachedImages", "Decoding", "Heed", "PixelCache", "PixelSource", "cache_folder", "open_cache"]
