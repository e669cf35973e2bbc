"""Published databases of which nothing but the layout of their release needs to be known."""

from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.published.biq2021 import BIQ2021
from linearityiqa.data.databases.published.csiq import CSIQ
from linearityiqa.data.databases.published.kadid import KADID_10K
from linearityiqa.data.databases.published.live import LIVE
from linearityiqa.data.databases.published.spaq import SPAQ
from linearityiqa.data.databases.published.tid2013 import TID2013

LAYOUTS: tuple[KnownDatabase, ...] = (BIQ2021, SPAQ, KADID_10K, TID2013, LIVE, CSIQ)
"""Photographs as they were taken first, then databases of artificial distortions; each group the newest first."""
