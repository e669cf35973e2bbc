"""Rows of scores in CSV, JSON lines and Parquet: read from any method's file, written to outputs that resume."""
