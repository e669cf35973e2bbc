"""Databases of images with opinion scores; the modules that need torch are imported by name, never from here."""

from linearityiqa.data.databases.table import Database, ImageTable

__all__ = ["Database", "ImageTable"]
