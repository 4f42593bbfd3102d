"""What the commands do and print, without a daemon."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from callcontrol.cli.exits import Exit
from callcontrol.cli.output import cell, mm_ss, print_table
from tests.unit.cli.support import CommandLine


def test_migrate_makes_database_and_key_and_may_be_repeated(bare: CommandLine) -> None:
    assert bare.do("migrate").out == bare.do("migrate").out == "the database is up to date\n"
    key = bare.config.with_name("token.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_check_config(bare: CommandLine) -> None:
    assert bare.do("check-config").out == "the configuration of node main is valid\n"


def test_before_migrate_every_command_says_so(bare: CommandLine) -> None:
    bare.refuse(Exit.UNAVAILABLE, "run `callcontrol migrate`", "company", "list")
    assert not bare.database.exists()


def test_a_company_from_nothing_to_usage(cc: CommandLine) -> None:
    assert cc.do("company", "list").out == "no companies yet\n"
    cc.do("company", "add", "Padaria São João", "--area-code", "11")
    token = cc.do("agent", "add", "padaria-sao-joao", "1001", "--name", "Ana", "--json").json["token"]
    cc.do("trunk", "add", "carrier", "--endpoint", "carrier", "--format", "national")
    cc.do("number", "add", "padaria-sao-joao", "1130000001")
    cc.do("plan", "set", "padaria-sao-joao", "500")
    cc.do("addon", "add", "padaria-sao-joao", "100", "--order", "o1")
    assert token in cc.do("agent", "token", "show", "padaria-sao-joao", "1001").out
    assert token not in cc.do("agent", "list").out
    rotated = cc.do("agent", "token", "rotate", "padaria-sao-joao", "1001", "--json").json["token"]
    assert rotated != token
    usage = cc.do("usage", "padaria-sao-joao").out
    assert "0 of 500 min used (0 %)" in usage
    assert "100 min contracted this month, 0 min used in all, balance 100 min" in usage
    entries = cc.do("entries", "padaria-sao-joao", "--json").json
    assert [(entry["seq"], entry["minutes"], entry["grant_kind"]) for entry in entries] == [
        (1, 500, "monthly"),
        (2, 100, "addon"),
    ]
    assert cc.do("calls", "padaria-sao-joao").out == "no calls\n"
    assert cc.do("calls", "padaria-sao-joao", "--json").json == []
    heading = cc.do("calls", "padaria-sao-joao", "--csv").out.removesuffix("\n").split(";")
    assert {"Início", "Status", "Duração", "Minutos cobrados"} <= set(heading)


def test_policy_courtesy_and_corrections(cc: CommandLine) -> None:
    """D4, R12."""
    cc.do("company", "add", "Acme", "--area-code", "11")
    cc.do("plan", "set", "acme", "1500")
    cc.do("addon", "add", "acme", "500", "--order", "a1")
    cc.do("courtesy", "add", "acme", "20", "--order", "g1", "--reason", "desculpas")
    wrong = ("--reason", "um zero a mais")
    assert (
        cc.do("policy", "set", "acme", "finish", "--limit", "30", "--order", "p1", "--json").json["policy"] == "finish"
    )
    assert cc.do("plan", "correct", "acme", "150", "--order", "c1", *wrong, "--json").json["withdrawn"] == 1350
    cc.do("addon", "cancel", "acme", "--of-order", "a1", "--minutes", "450", "--order", "c2", *wrong)
    cc.do("courtesy", "cancel", "acme", "--of-order", "g1", "--order", "c3", *wrong)
    refused = ("addon", "cancel", "acme", "--of-order", "a1", "--minutes", "60", "--order", "c4", *wrong)
    cc.refuse(Exit.REFUSED, "50 minutes can be withdrawn, not 60", *refused)
    cc.refuse(Exit.REFUSED, "needs --limit", "policy", "set", "acme", "finish", "--order", "p2")
    usage = cc.do("usage", "acme").out
    assert "0 of 150 min used" in usage
    assert "balance 50 min" in usage
    assert "0 min to be paid back by the next add-on; policy finish, 30 min" in usage


def test_set_commands_change_what_is_given_and_no_more(cc: CommandLine) -> None:
    before = cc.do("company", "add", "Acme", "--area-code", "11", "--recording", "--json").json
    after = cc.do("company", "set", "acme", "--blocked", "--json").json
    assert after == {**before, "blocked": True}
    after = cc.do("company", "set", "acme", "--unblocked", "--no-recording", "--json").json
    assert after == {**before, "recording": False}


def test_destinations(cc: CommandLine) -> None:
    """D14."""
    cc.do("company", "add", "Acme", "--area-code", "11")
    assert "premium and international numbers are denied" in cc.do("destination", "list", "acme").out
    cc.do("destination", "allow", "acme", "+1")
    cc.do("destination", "deny", "acme", "+1 900")
    listed = cc.do("destination", "list", "acme").out.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [["+1", "allow"], ["+1900", "deny"]]
    tested = cc.do("destination", "test", "acme", "00 1 900 555 1234").out
    assert "+19005551234" in tested
    assert "the rule: deny +1900" in tested
    assert cc.do("destination", "test", "acme", "0012125551234", "--json").json["allowed"]
    cc.refuse(Exit.REFUSED, "+ and the country code", "destination", "deny", "acme", "11")
    assert cc.do("destination", "remove", "acme", "+1").out.split() == ["removed", "+1"]


def test_options_that_exclude_each_other(cc: CommandLine) -> None:
    cc.refuse(Exit.USAGE, "exclude each other", "user", "set", "a@b", "--right", "reports", "--no-rights")
    cc.refuse(Exit.USAGE, "exclude each other", "calls", "a", "--csv", "--json")
    cc.refuse(Exit.USAGE, "give either", "did", "set", "1133334444")
    cc.refuse(Exit.USAGE, "give either", "did", "set", "1133334444", "--extension", "1", "--no-extension")


def test_groups_without_a_command_say_where_help_is(cc: CommandLine) -> None:
    cc.refuse(Exit.USAGE, "see `callcontrol --help`")
    cc.refuse(Exit.USAGE, "see `callcontrol agent --help`", "agent")
    cc.refuse(Exit.USAGE, "see `callcontrol agent token --help`", "agent", "token")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[asterisk\n", ":1: "),
        ("[asterisk]\nari_password = 'x'\nspeed = 1\n", "speed"),
        ("[nonsense]\n", "nonsense"),
        ("", "ari_password is required"),
    ],
)
def test_bad_configuration_is_told_by_key_and_line(bare: CommandLine, content: str, words: str) -> None:
    bare.config.write_text(content)
    for command in (["check-config"], ["company", "list"], ["migrate"], ["doctor"], ["run"]):
        bare.refuse(Exit.CONFIG, words, *command)


def test_configuration_that_is_not_there(bare: CommandLine) -> None:
    bare.config.unlink()
    bare.refuse(Exit.CONFIG, "does not exist", "check-config")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all/callcontrol.db",
        "sqlite:///:memory:",
        "sqlite://",
        "postgresql://nobody@127.0.0.1:1/none",
        "postgresql+nodriver://nobody@127.0.0.1/none",
        "postgresql://x:y@[",
    ],
)
def test_database_that_cannot_be_used_is_one_line(bare: CommandLine, url: str) -> None:
    text = bare.config.read_text()
    bare.config.write_text(text.replace(f"sqlite:///{bare.database}", url))
    for command in (["migrate"], ["company", "list"]):
        ran = bare.run(*command)
        assert ran.code in (Exit.UNAVAILABLE, Exit.CONFIG)
        assert ran.err.startswith("error: ")
        assert ran.err.count("\n") == 1
        assert "defect" not in ran.err


def test_broken_database_file_is_one_line(cc: CommandLine) -> None:
    for suffix in ("", "-wal", "-shm"):
        cc.database.with_name(cc.database.name + suffix).write_bytes(b"no database at all" * 1000)
    cc.refuse(Exit.UNAVAILABLE, "database", "company", "list")


def test_lost_key_is_one_line(cc: CommandLine) -> None:
    cc.do("company", "add", "Acme", "--area-code", "11")
    cc.do("agent", "add", "acme", "1001", "--name", "Ana")
    cc.config.with_name("token.key").unlink()
    cc.refuse(Exit.UNAVAILABLE, "restore it from a backup", "agent", "token", "show", "acme", "1001")
    cc.refuse(Exit.UNAVAILABLE, "restore it from a backup", "migrate")


def test_a_daemon_that_cannot_start_is_told_by_its_exit_code(cc: CommandLine) -> None:
    cc.do("company", "add", "Acme", "--area-code", "11")
    cc.do("agent", "add", "acme", "1001", "--name", "Ana")
    cc.config.with_name("token.key").unlink()
    program = [sys.executable, "-c", "from callcontrol.cli import main; main()", "--config", str(cc.config), "run"]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ran.returncode == Exit.UNAVAILABLE
    assert "restore it from a backup" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_defects_are_one_line_with_a_file_for_the_rest(
    cc: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise RuntimeError("something\nunheard of")

    monkeypatch.setattr("callcontrol.cli.gateway.execute", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ran = cc.run("company", "list")
    assert ran.code == Exit.DEFECT
    assert ran.err.startswith("error: a defect of callcontrol's: RuntimeError: something unheard of; ")
    assert ran.err.count("\n") == 1
    [log] = tmp_path.glob("callcontrol-*.log")
    assert "Traceback" in log.read_text()
    assert "Traceback" in cc.run("--debug", "company", "list").err


def test_interrupt_is_quiet(cc: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("callcontrol.cli.gateway.execute", interrupt)
    ran = cc.run("company", "list")
    assert (ran.code, ran.out, ran.err.strip()) == (Exit.INTERRUPTED, "", "")


def test_durations_are_minutes_and_seconds() -> None:
    """R10."""
    assert [mm_ss(s) for s in (0, 59, 60, 97, 3600, 6005)] == ["00:00", "00:59", "01:00", "01:37", "60:00", "100:05"]


def test_cells_cannot_move_the_cursor() -> None:
    assert cell("a\x1b[2Jb\n") == "a?[2Jb?"
    assert [cell(value) for value in (None, "", True, [], ["a", "b"], 0)] == ["-", "-", "yes", "-", "a, b", "0"]


def test_tables_line_up_whatever_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"a": "東京", "b": 1}, {"a": "São", "b": 2}]
    print_table(rows, [("NAME", lambda row: row["a"]), ("N", lambda row: row["b"])], empty="")
    assert capsys.readouterr().out == "NAME  N\n東京  1\nSão   2\n"
