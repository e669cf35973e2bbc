"""The token file. Oracle: what its mode and content are."""

import pytest

from linearityiqa.errors import ConfigError
from linearityiqa.serving.gate import Token


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_token_that_others_can_read_is_refused(token_file, mode) -> None:
    token_file.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        Token(token_file)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_token_of_its_owner_alone_is_taken(token_file, mode) -> None:
    token_file.chmod(mode)
    Token(token_file)


@pytest.mark.parametrize(
    "content", [b"", b"short", b"two words, which no header holds", b"a" * 20 + b"\nb", b"\xff" * 20]
)
def test_what_is_no_token_is_refused(token_file, content) -> None:
    token_file.write_bytes(content)
    with pytest.raises(ConfigError, match="openssl rand"):
        Token(token_file)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        Token(tmp_path / "nowhere")
