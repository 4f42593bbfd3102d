"""The doctor on a real Asterisk: a healthy one, and one for each thing it is there to find."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from callcontrol.config import AsteriskConfig, Config, DatabaseConfig, SecurityConfig
from callcontrol.database import upgrade
from callcontrol.doctor import Check, run_checks
from lab.asterisk import AsteriskInstance, AsteriskPrefix
from lab.pbx import PbxInstance

pytestmark = pytest.mark.live


class SickPbx(PbxInstance):
    """Everything that the doctor looks for, wrong at once."""

    def configuration(self) -> Mapping[str, str]:
        files = dict(super().configuration())
        del files["sorcery.conf"]
        files["ari.conf"] = files["ari.conf"].replace('#include "', ';#include "')
        files["modules.conf"] += "[modules](+)\nnoload = func_timeout.so\n"
        # Without APP_START and APP_END among the events, this disables CEL altogether.
        files["cel.conf"] += "[general](+)\napps = all\n"
        files["pjsip.conf"] += "\n[open]\ntype = endpoint\nallow_transfer = yes\n"
        return files

    def _asterisk_conf(self) -> str:
        return "\n".join(line for line in super()._asterisk_conf().splitlines() if "systemname" not in line) + "\n"


class Factory(Protocol):
    async def __call__(
        self, *, trunks: dict[str, str] | None = None, extra: dict[str, str] | None = None
    ) -> PbxInstance: ...


def configured(pbx: PbxInstance, folder: Path) -> Config:
    url = f"sqlite:///{folder}/callcontrol.db"
    upgrade(url)
    key = folder / "token.key"
    key.write_bytes(b"key")
    key.chmod(0o600)
    return Config(
        asterisk=AsteriskConfig(
            ari_url=pbx.ari_url.removesuffix("/ari"),
            ari_user=pbx.ari_user,
            ari_password=pbx.ari_password,
            cel_file=pbx.cel_file,
            cel_wait_s=2.0,
            config_folder=pbx.etc,
        ),
        database=DatabaseConfig(url=url),
        security=SecurityConfig(key_file=key),
    )


async def checks(config: Config) -> dict[str, Check]:
    return {check.name: check for check in await run_checks(config)}


async def test_a_healthy_pbx_and_nothing_left_behind(pbx_factory: Factory, tmp_path: Path) -> None:
    pbx = await pbx_factory(trunks={"carrier": "127.0.0.1:9"})
    config = await asyncio.to_thread(configured, pbx, tmp_path)
    found = await checks(config)
    unhealthy = {name: check for name, check in found.items() if not check.ok and name != "clock"}
    # The laboratory's Asterisk may be one that was let in on purpose.
    unhealthy.pop("version", None)
    assert unhealthy == {}
    assert found.keys() >= {"ari", "version", "systemname", "modules", "cel", "softphones", "transfers"}
    assert "doctor" not in await pbx.cli("pjsip show endpoints")
    assert "doctor" not in await pbx.cli("pjsip show auths")
    assert "doctor" not in await pbx.cli("core show channels")
    wrong = await checks(replace(config, asterisk=replace(config.asterisk, ari_password="wrong")))
    assert wrong["ari"].ok is False
    assert "modules" not in wrong


async def test_everything_wrong_at_once(
    asterisk_prefix: AsteriskPrefix,
    tmp_path: Path,
    started: Callable[[AsteriskInstance], Awaitable[None]],
) -> None:
    pbx = SickPbx(asterisk_prefix, tmp_path / "sick", name="sick")
    await started(pbx)
    found = await checks(await asyncio.to_thread(configured, pbx, tmp_path))
    assert found["ari"].ok is True
    assert (found["systemname"].ok, found["modules"].ok) == (False, False)
    assert found["modules"].message == "not running: func_timeout.so"
    assert (found["cel"].ok, found["softphones"].ok) == (False, False)
    assert "cannot be pushed over ARI: auth" in found["softphones"].message
    assert (found["transfers"].ok, found["transfers"].message) == (None, "allowed by SIP for open")
    assert found["websocket_write_timeout"].ok is False
