"""The token vault and its key file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from callcontrol.directory.tokens import KeyUnusable, TokenVault


@pytest.fixture
def vault(key_file: Path) -> TokenVault:
    made = TokenVault(key_file)
    made.ensure_key(tokens_exist=False)
    return made


def test_key_is_made_once_for_its_owner_only(vault: TokenVault, key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    key = key_file.read_bytes()
    TokenVault(key_file).ensure_key(tokens_exist=False)
    assert key_file.read_bytes() == key
    assert os.listdir(key_file.parent) == [key_file.name]


def test_another_process_with_the_key_reads_the_tokens(vault: TokenVault, key_file: Path) -> None:
    encrypted = vault.encrypt("secret")
    assert "secret" not in encrypted
    assert encrypted != vault.encrypt("secret")
    assert TokenVault(key_file).decrypt(encrypted) == "secret"


def test_missing_key_is_not_replaced_while_tokens_need_it(key_file: Path) -> None:
    with pytest.raises(KeyUnusable, match="restore it from a backup"):
        TokenVault(key_file).ensure_key(tokens_exist=True)
    assert not key_file.exists()


def test_wrong_key_is_told_apart_from_a_broken_one(vault: TokenVault, key_file: Path) -> None:
    encrypted = vault.encrypt("secret")
    key_file.unlink()
    other = TokenVault(key_file)
    other.ensure_key(tokens_exist=False)
    with pytest.raises(KeyUnusable, match="is not the one"):
        other.decrypt(encrypted)
    key_file.write_text("broken")
    with pytest.raises(KeyUnusable, match="holds no Fernet key"):
        TokenVault(key_file).decrypt(encrypted)


def test_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot create the key file"):
        TokenVault(tmp_path / "missing" / "token.key").ensure_key(tokens_exist=False)


def test_key_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot read the key file"):
        TokenVault(tmp_path).encrypt("secret")
