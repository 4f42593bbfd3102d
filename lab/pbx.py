"""The PBX of the laboratory: what an operator would have, from the very files an operator includes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lab.asterisk import AsteriskInstance
from lab.ports import LOOPBACK
from lab.prefix import REPOSITORY, AsteriskPrefix

_CONF = REPOSITORY / "asterisk-conf"
_DIALPLAN = REPOSITORY / "dialplan"


class PbxInstance(AsteriskInstance):
    """Asterisk with asterisk-conf/ and dialplan/ of this repository; only ports, paths and secrets are its own."""

    def __init__(
        self,
        prefix: AsteriskPrefix,
        directory: Path,
        *,
        name: str = "pbx",
        trunks: Mapping[str, str] | None = None,
        sip_port: int | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """`trunks`: endpoint -> host:port of its carrier; the first one takes the fallback's emergency calls.
        `extra`: configuration file -> lines added at its end (an operator's own)."""
        super().__init__(prefix, directory, name=name, sip_port=sip_port)
        self.trunks = dict(trunks or {})
        self.extra = dict(extra or {})

    def configuration(self) -> Mapping[str, str]:
        files = {
            "modules.conf": _include("modules.conf"),
            "logger.conf": _include("logger.conf"),
            "indications.conf": _include("indications.conf"),
            "sorcery.conf": _include("sorcery.conf"),
            "cel.conf": _include("cel.conf"),
            "cel_custom.conf": _include("cel_custom.conf"),
            "http.conf": f"[general]\nbindaddr = {LOOPBACK}\nbindport = {self.ari_port}\n" + _include("http.conf"),
            "ari.conf": "[general]\n"
            + _include("ari.conf")
            + f"\n[{self.ari_user}]\ntype = user\nread_only = no\npassword = {self.ari_password}\n",
            "rtp.conf": f"[general]\nrtpstart = {self.rtp_range[0]}\nrtpend = {self.rtp_range[1]}\n",
            "pjsip.conf": self._pjsip(),
            "extensions.conf": self._extensions(),
        }
        return {file: content + self.extra.get(file, "") for file, content in files.items()}

    def _asterisk_conf(self) -> str:
        return super()._asterisk_conf() + _include("asterisk.conf")

    def _pjsip(self) -> str:
        lines = [_include("pjsip.conf"), "[udp](callcontrol-transport)", f"bind = {self.sip_address}"]
        for endpoint, address in self.trunks.items():
            lines += ["", f"[{endpoint}](callcontrol-trunk)", f"aors = {endpoint}", "transport = udp"]
            lines += ["", f"[{endpoint}]", "type = aor", f"contact = sip:{address}"]
        return "\n".join(lines) + "\n"

    def _extensions(self) -> str:
        emergency = next(iter(self.trunks), "")
        dialplan = _DIALPLAN / "callcontrol.conf"
        return f'[globals]\nCC_EMERGENCY_TRUNK = {emergency}\n\n#include "{dialplan}"\n'


def _include(file: str) -> str:
    return f'#include "{_CONF / file}"\n'
