"""Where this machine's Asterisk is, and how to start it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TESTED_VERSIONS = REPOSITORY / "asterisk-conf" / "tested-versions"
FETCHED = REPOSITORY / ".lab" / "asterisk"
"""Where scripts/fetch-asterisk unpacks."""


class NoAsterisk(Exception):
    """There is no Asterisk to use; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class AsteriskPrefix:
    """An Asterisk program with its modules and data. Any number of instances can share it."""

    command: tuple[str, ...]
    """What starts it, without arguments; through its own loader where its libraries are not the machine's."""
    module_directory: Path
    data_directory: Path
    version: str


def tested_versions() -> frozenset[str]:
    lines = TESTED_VERSIONS.read_text().splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def find_prefix(*, allow_untested: bool = False) -> AsteriskPrefix:
    """CALLCONTROL_ASTERISK, else the machine's own Asterisk if its version is tested, else the one that
    scripts/fetch-asterisk unpacked. Raises NoAsterisk."""
    named = os.environ.get("CALLCONTROL_ASTERISK")
    if named:
        return _checked(_prefix_at(Path(named)), f"CALLCONTROL_ASTERISK={named}", allow_untested)
    if own := _machines_own(allow_untested):
        return own
    if not (FETCHED / "complete").exists():
        raise NoAsterisk("no Asterisk here: run scripts/fetch-asterisk, or set CALLCONTROL_ASTERISK to a prefix")
    return _checked(_prefix_at(FETCHED), "what scripts/fetch-asterisk fetched", allow_untested)


def use_fetched(*, allow_untested: bool = False) -> bool:
    """Whether it is the turn of the one that scripts/fetch-asterisk unpacks."""
    return not os.environ.get("CALLCONTROL_ASTERISK") and _machines_own(allow_untested) is None


def _machines_own(allow_untested: bool) -> AsteriskPrefix | None:
    for root in (Path("/"), Path("/usr/local")):
        try:
            prefix = _prefix_at(root)
        except NoAsterisk:
            continue
        if allow_untested or prefix.version in tested_versions():
            return prefix
    return None


def _checked(prefix: AsteriskPrefix, where: str, allow_untested: bool) -> AsteriskPrefix:
    if not allow_untested and prefix.version not in tested_versions():
        raise NoAsterisk(
            f"{where} is Asterisk {prefix.version}; tested are {', '.join(sorted(tested_versions()))}: "
            "pass --allow-untested to use it all the same"
        )
    return prefix


def _prefix_at(root: Path) -> AsteriskPrefix:
    """The Asterisk unpacked or installed under `root`. Raises NoAsterisk."""
    root = root.absolute()
    program = next((p for p in (root / "usr/sbin/asterisk", root / "sbin/asterisk") if p.exists()), None)
    modules = next(iter(sorted(_module_directories(root))), None)
    base = program.parent.parent if program else root
    data = next((p for p in (base / "share/asterisk", root / "var/lib/asterisk") if (p / "sounds").exists()), None)
    if program is None or modules is None or data is None:
        raise NoAsterisk(f"no complete Asterisk under {root}: usr/sbin/asterisk, its modules and its sounds are needed")
    command: tuple[str, ...] = (str(program),)
    loader = next(iter(sorted(root.glob("usr/lib*/ld-linux*.so.*"))), None) if root != Path("/") else None
    if loader:
        libraries = f"{modules.parent.parent}:{modules.parent}"
        command = (str(loader), "--library-path", libraries, str(program))
    return AsteriskPrefix(command, modules, data, _version(command))


def _module_directories(root: Path) -> list[Path]:
    places = ("usr/lib/asterisk/modules", "usr/lib/*/asterisk/modules", "lib/asterisk/modules")
    return [found for place in places for found in root.glob(place)]


def _version(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run([*command, "-V"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAsterisk(f"{command[-1]} does not start: {error}") from error
    match = re.search(r"Asterisk (\d+(?:\.\d+)*)(?:[~-](rc\d+|beta\d+))?", done.stdout)
    if not match:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise NoAsterisk(f"{command[-1]} does not start: {words[-1] if words else f'exit code {done.returncode}'}")
    return "-".join(part for part in match.groups() if part)
