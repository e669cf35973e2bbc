"""Databases: tables, readers of published and own label files, splits and conversion."""
