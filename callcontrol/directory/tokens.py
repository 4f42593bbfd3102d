"""SIP tokens: made strong, kept encrypted, so that a dump of the database alone does not reveal them.

Fernet (https://github.com/fernet/spec): AES-128-CBC with HMAC-SHA256. The key lives in a file beside the
configuration, never in the database.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from callcontrol.engine.ports.directory import DirectoryUnavailable

_TOKEN_BYTES = 18
"""18 random bytes are 24 URL-safe characters: 144 bits, and nothing a softphone's form would choke on."""


class KeyUnusable(DirectoryUnavailable):
    """The key file cannot be used; the message says which file and what to do."""


def new_token() -> str:
    """A fresh SIP token: 24 URL-safe characters."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class TokenVault:
    """Encrypts and decrypts SIP tokens with the key in a file. The file is read once, at first use."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._fernet: Fernet | None = None

    def ensure_key(self, *, tokens_exist: bool) -> None:
        """Read the key, making it (mode 0600) when there is none yet.

        Where tokens are stored already, a missing key is an error: a new one would lose them all silently.
        """
        if self._fernet is None and not tokens_exist and not self._key_file.exists():
            self._create()
        self._load()

    def encrypt(self, token: str) -> str:
        """Raises KeyUnusable."""
        return self._load().encrypt(token.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Raises KeyUnusable: no key, or not the one it was encrypted with."""
        try:
            return self._load().decrypt(encrypted.encode()).decode()
        except InvalidToken:
            raise KeyUnusable(
                f"the key in {self._key_file} is not the one the stored tokens were encrypted with: "
                "restore that key, or rotate every agent's token"
            ) from None

    def _load(self) -> Fernet:
        if self._fernet is None:
            try:
                self._fernet = Fernet(self._key_file.read_bytes().strip())
            except FileNotFoundError:
                raise KeyUnusable(
                    f"the key file {self._key_file} is missing, and stored tokens are encrypted with it: "
                    "restore it from a backup"
                ) from None
            except OSError as error:
                raise KeyUnusable(f"cannot read the key file {self._key_file}: {error.strerror}") from None
            except ValueError:
                raise KeyUnusable(f"the key file {self._key_file} holds no Fernet key") from None
        return self._fernet

    def _create(self) -> None:
        # Written whole beside it and linked into place: another process sees no key or all of it, and the first
        # of two processes wins, so no token is ever encrypted with a key that was then overwritten.
        temporary = self._key_file.with_name(f".{self._key_file.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(Fernet.generate_key() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.link(temporary, self._key_file)
            finally:
                temporary.unlink()
        except FileExistsError:
            return
        except OSError as error:
            raise KeyUnusable(f"cannot create the key file {self._key_file}: {error.strerror}") from None
