"""Published databases of which nothing but the layout of their release needs to be known."""

from linearityiqa.data.known import KnownDatabase
from linearityiqa.data.layouts.biq2021 import BIQ2021
from linearityiqa.data.layouts.csiq import CSIQ
from linearityiqa.data.layouts.kadid import KADID_10K
from linearityiqa.data.layouts.live import LIVE
from linearityiqa.data.layouts.spaq import SPAQ
from linearityiqa.data.layouts.tid2013 import TID2013

LAYOUTS: tuple[KnownDatabase, ...] = (BIQ2021, SPAQ, KADID_10K, TID2013, LIVE, CSIQ)
"""Photographs as they were taken first, then databases of artificial distortions; each group the newest first."""
