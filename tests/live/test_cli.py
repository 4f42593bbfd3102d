"""The command line beside a real daemon that runs, hangs or is dead: one clear line, a documented code, no traceback.

What each command makes of each bad value is tried in tests/unit/cli; here it is the way to the daemon and back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from callcontrol.cli.exits import Exit
from callcontrol.engine.admin import commands as c
from lab.daemon import DaemonProcess, Output
from lab.pbx import PbxInstance
from lab.prefix import AsteriskPrefix

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

COMPANY = "padaria"
NOWHERE = "127.0.0.1:9"
BAD_INPUT = (
    ("company", "add", "Açougue", "--area-code", "1"),
    ("company", "set", COMPANY, "--time-zone", "America/Nowhere"),
    ("user", "add", "not-an-address", "--name", "A", "--role", "administrator", "--company", COMPANY),
    ("agent", "add", COMPANY, "190", "--name", "An emergency code"),
    ("agent", "token", "show", COMPANY, "9999"),
    ("trunk", "add", "carrier", "--endpoint", "two words"),
    ("did", "add", COMPANY, "12"),
    ("number", "add", COMPANY, "not-a-number"),
    ("number", "set", COMPANY, "+551199999999"),
    ("contact", "add", COMPANY, "+5511988887777", "--name", "\x1b[2J"),
    ("destination", "deny", COMPANY, "11"),
    ("plan", "set", COMPANY, "--", "-1"),
    ("addon", "add", COMPANY, "0", "--order", "pack-1"),
    ("usage", "nobody"),
    ("calls", COMPANY, "--from", "2026-02-30"),
    ("entries", "nobody"),
)
NEEDS_THE_DAEMON = (
    ("company", "list"),
    ("agent", "list", COMPANY),
    ("usage", COMPANY),
    ("calls", COMPANY),
    ("entries", COMPANY),
    ("agent", "add", COMPANY, "1002", "--name", "Bia"),
    ("addon", "add", COMPANY, "10", "--order", "pack-2"),
)
AT_ONCE = 4
"""Each is a process of its own."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pbx(asterisk_prefix: AsteriskPrefix, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PbxInstance]:
    folder = tmp_path_factory.mktemp("pbx")
    async with PbxInstance(asterisk_prefix, folder, trunks={"carrier": NOWHERE}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(pbx: PbxInstance, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    async with DaemonProcess(tmp_path_factory.mktemp("daemon"), pbx) as running:
        await running.ask(c.AddTrunk(name="carrier", endpoint="carrier"))
        await running.ask(c.AddCompany(name="Padaria", slug=COMPANY, area_code="11"))
        await running.ask(c.AddAgent(company=COMPANY, extension="1001", name="Ana"))
        yield running


async def outputs(daemon: DaemonProcess, commands: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], Output]:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(command: tuple[str, ...]) -> Output:
        async with limit:
            return await daemon.try_command(*command)

    return dict(zip(commands, await asyncio.gather(*(one(command) for command in commands)), strict=True))


def assert_one_line(output: Output, code: Exit, command: object = "") -> None:
    assert output.code == code, (command, output)
    assert output.out == "", (command, output)
    assert output.err.startswith("error: "), (command, output)
    assert output.err.endswith("\n"), (command, output)
    assert len(output.err.splitlines()) == 1, (command, output)
    assert output.err[:-1].isprintable(), (command, output)


async def test_bad_input_through_a_running_daemon(daemon: DaemonProcess) -> None:
    for command, output in (await outputs(daemon, BAD_INPUT)).items():
        assert_one_line(output, Exit.REFUSED, command)
    assert [event for event in daemon.events() if event.get("level") in ("error", "critical")] == []


async def test_a_daemon_that_hangs(daemon: DaemonProcess) -> None:
    """Nobody waits for ever, and whoever gave an order is told to look before it is repeated."""
    daemon.freeze()
    try:
        asked = await outputs(daemon, [("--timeout", "1", *command) for command in NEEDS_THE_DAEMON])
    finally:
        daemon.thaw()
    for command, output in asked.items():
        assert_one_line(output, Exit.UNAVAILABLE, command)
        assert "did not answer within 1 s" in output.err
    # It wakes up and carries out what it was asked; the same order again is the same order.
    again = await daemon.json("addon", "add", COMPANY, "10", "--order", "pack-2")
    assert again["minutes"] == 10
    assert (await daemon.json("usage", COMPANY))["addon_balance"] == 10


async def test_what_must_not_run_beside_a_daemon(daemon: DaemonProcess) -> None:
    for command, output in (await outputs(daemon, [("run",), ("migrate",)])).items():
        assert_one_line(output, Exit.UNAVAILABLE, command)
        assert "stop it first" in output.err
    status, _ = await daemon.get("/readyz")
    assert status == 200


async def test_doctor_beside_an_asterisk_that_hangs(daemon: DaemonProcess, pbx: PbxInstance) -> None:
    pbx.freeze()
    try:
        output = await daemon.try_command("doctor")
    finally:
        pbx.thaw()
    assert output.code == Exit.UNHEALTHY
    assert any(line.startswith("FAILED   ari") for line in output.out.splitlines()), output
    assert "Traceback" not in output.out + output.err
    await daemon.until_ready()


async def test_bad_configuration(daemon: DaemonProcess, tmp_path: Path) -> None:
    """Named by key and line, by every command that needs it, the daemon included."""
    broken = tmp_path / "broken.toml"
    broken.write_text("[calls]\nring_timeout_s = 0\nring_timout_s = 60\n")
    commands = [("--config", str(broken), *command) for command in (("run",), ("check-config",), ("usage", COMPANY))]
    for command, output in (await outputs(daemon, commands)).items():
        assert output.code == Exit.CONFIG, (command, output)
        lines = output.err.splitlines()
        assert all(line.startswith("error: ") for line in lines), output
        assert any("ring_timeout_s" in line and "2" in line for line in lines), output
        assert any("ring_timout_s" in line and "3" in line for line in lines), output
    missing = await daemon.try_command("--config", str(tmp_path / "nowhere.toml"), "check-config")
    assert_one_line(missing, Exit.CONFIG)


async def test_a_daemon_that_cannot_start(daemon: DaemonProcess, pbx: PbxInstance, tmp_path: Path) -> None:
    """Its port is taken; its database was never made: it says so in its log and ends."""
    late = DaemonProcess(tmp_path / "late", pbx, settings={"http": {"port": daemon.http_port}})
    late.write_config()
    unmade = await late.try_command("run")
    assert unmade.code == Exit.UNAVAILABLE
    assert "callcontrol migrate" in unmade.out + unmade.err
    await late.prepare()
    taken = await late.try_command("run")
    assert taken.code == Exit.UNAVAILABLE
    assert str(daemon.http_port) in taken.out + taken.err
    assert "Traceback" not in unmade.out + unmade.err + taken.out + taken.err


async def test_a_daemon_that_is_dead(daemon: DaemonProcess) -> None:
    """Commands go straight to the database; a socket that was left behind is no obstacle."""
    left_behind = daemon.directory / "control.sock"
    await daemon.kill()
    try:
        assert left_behind.is_socket()
        listed = await daemon.json("agent", "list", COMPANY)
        assert "1001" in [agent["extension"] for agent in listed]
        assert_one_line(await daemon.try_command("usage", "nobody"), Exit.REFUSED)
    finally:
        await daemon.start()
    assert "1001" in [agent["extension"] for agent in await daemon.json("agent", "list", COMPANY)]
