"""Who may use the service, and what browsers are told about its answers."""

import hashlib
import hmac
import os
import stat
from pathlib import Path

from starlette.requests import Request

from linearityiqa.errors import ConfigError
from linearityiqa.serving.problems import Problem

MIN_TOKEN_LENGTH = 16
MAX_TOKEN_BYTES = 4096

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Of every answer that does not set them itself."""


class Token:
    """The secret that clients of /v1 must send.

    Args:
        path: a file that holds it, on one line.

    Raises:
        ConfigError: the file cannot be read, is open to others than its owner, or holds no token.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as stream:
                mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
                content = stream.read(MAX_TOKEN_BYTES + 1)
        except OSError as cause:
            raise ConfigError(f"cannot read the token file {path}: {cause.strerror}. Check the path.") from cause
        if mode & 0o077:
            raise ConfigError(f"the token file {path} is open to others (mode {mode:o}). Run: chmod 600 {path}")
        token = content.strip()
        if not MIN_TOKEN_LENGTH <= len(token) <= MAX_TOKEN_BYTES or not all(33 <= byte <= 126 for byte in token):
            raise ConfigError(
                f"the token file {path} must hold one line of at least {MIN_TOKEN_LENGTH} printable ASCII characters "
                f"without spaces. Make one with: openssl rand -hex 32 > {path}"
            )
        self._digest = hashlib.sha256(token).digest()

    def check(self, request: Request) -> None:
        """Let a request with the token pass.

        Raises:
            Problem: 401, the token is missing or wrong.
        """
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        # digests are compared, so that the time tells nothing of the token's length either
        digest = hashlib.sha256(sent.strip().encode("latin-1")).digest()
        if not hmac.compare_digest(digest, self._digest) or kind.lower() != "bearer":
            detail = "this service wants a token. Send the header Authorization: Bearer TOKEN."
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def refuse_other_sites(request: Request) -> None:
    """Refuse what a page of another web site makes a visitor's browser send.

    Raises:
        Problem: 403.
    """
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Problem(403, "requests that another web site makes a browser send are refused.")
