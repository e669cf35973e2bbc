"""Published databases, which `--dataset` knows by name."""

from linearityiqa.data.databases.published.distorted import CSIQ, KADID_10K, LIVE, TID2013
from linearityiqa.data.databases.published.photographs import BIQ2021, CLIVE, KONIQ_10K, SPAQ

KNOWN = {database.name: database for database in (KONIQ_10K, CLIVE, BIQ2021, SPAQ, KADID_10K, TID2013, LIVE, CSIQ)}
"""Photographs as they were taken first, then databases of artificial distortions."""
