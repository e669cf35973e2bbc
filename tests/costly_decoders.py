"""What hostile photographs make a decoder do, in place of `linearityiqa.serving.decoding.decode`."""

import os
import time
from pathlib import Path

from linearityiqa.errors import UnreadableImageError
from linearityiqa.serving import decoding

real = decoding.decode


def never_ends(content: bytes, name: str):
    if content.startswith(b"costly"):
        time.sleep(3600)
    return real(content, name)


def takes_memory(content: bytes, name: str):
    if content.startswith(b"costly"):
        return bytes(600_000_000)
    return real(content, name)


def dies(content: bytes, name: str):
    if content.startswith(b"costly"):
        os.abort()
    return real(content, name)


def complains(content: bytes, name: str):
    os.write(2, b"a library's complaint about " + content)
    raise UnreadableImageError(f"standard error is {Path('/proc/self/fd/2').readlink()}")
