"""The audit of a database, as `linearityiqa datasets check` prints it."""

from linearityiqa.data.checks.audit import audit
from linearityiqa.data.checks.findings import TITLES, Finding, Report

__all__ = ["TITLES", "Finding", "Report", "audit"]
