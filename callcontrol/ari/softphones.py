"""Agents' softphones as PJSIP objects, pushed over ARI into where `asterisk-conf/sorcery.conf` keeps them (astdb)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from callcontrol.ari import requests, wire
from callcontrol.ari.connection import AriConnection
from callcontrol.engine.ports.pbx import Outcome, PbxUnavailable, SoftphoneAccount

REALM = "callcontrol"
"""Fixed, because the stored digest is only good for this realm (RFC 7616, section 3.4.2)."""

_AOR = {
    # As Asterisk itself writes them, so that what is stored can be compared with what is wanted.
    "max_contacts": "1",
    "remove_existing": "true",
    # Also how long after a restart of Asterisk a phone that is still registered may be shown as offline: the contact
    # itself survives and can be called at once.
    "qualify_frequency": "15",
    "minimum_expiration": "60",
    "maximum_expiration": "3600",
}
_ENDPOINT = {
    "context": "callcontrol-agents",
    "disallow": "all",
    "allow": "alaw,ulaw,g722",
    # Media always passes through Asterisk: a direct path could be neither recorded, monitored nor cut (M7).
    "direct_media": "no",
    # A REFER with `Refer-Sub: false` kills 22.10.1 on a channel that hands transfers to ARI.
    "allow_transfer": "no",
    # Phones sit behind NAT.
    "rtp_symmetric": "yes",
    "force_rport": "yes",
    "rewrite_contact": "yes",
    "identify_by": "username",
    "language": "pt_BR",
    "dtmf_mode": "rfc4733",
    # Nobody may call in another's name: what a phone says of its identity is not believed.
    "trust_id_inbound": "no",
    # A phone that vanished is noticed by session timers (D13); silence never ends a call.
    "timers": "yes",
    "timers_sess_expires": "1800",
}


class AriSoftphones:
    """Implements callcontrol.engine.ports.pbx.SoftphoneRegistry.

    An account is three objects of the account's SIP user name: auth, aor, and last the endpoint that names them, so
    that no phone can be known without its credentials. Asterisk keeps a digest of the token, never the token.
    """

    def __init__(self, connection: AriConnection, *, endpoint_options: Mapping[str, str] | None = None) -> None:
        """`endpoint_options` of PJSIP endpoints are added to ours, for example `media_address`."""
        self._connection = connection
        self._options = {**_ENDPOINT, **(endpoint_options or {})}

    async def put(self, account: SoftphoneAccount) -> Outcome:
        name = account.sip_username
        auth = {"auth_type": "md5", "username": name, "realm": REALM, "md5_cred": _digest(account)}
        try:
            stored_auth = await self._stored("auth", name)
            stored_aor = await self._stored("aor", name)
        except PbxUnavailable:
            return Outcome.UNKNOWN
        steps = [requests.put_object("auth", name, auth)]
        token_changed = stored_auth is not None and not _holds(stored_auth, auth)
        if stored_aor is not None and (token_changed or not _holds(stored_aor, _AOR)):
            # With its AOR goes a registration that was made with the token of before.
            steps.append(requests.delete_object("aor", name))
            stored_aor = None
        if stored_aor is None:
            # Never written over: Asterisk 22.10.1 would store the phone's present contact in it for good (measured).
            steps.append(requests.put_object("aor", name, _AOR))
        steps.append(requests.put_object("endpoint", name, {**self._options, **_identity(account)}))
        for step in steps:
            outcome = await self._connection.ask(step)
            if outcome not in (Outcome.DONE, Outcome.GONE):
                return outcome
        return Outcome.DONE

    async def remove(self, sip_username: str) -> Outcome:
        """Endpoint first: no call comes in while the rest goes. The AOR takes the registrations with it. What half of a
        push left behind is removed as well. GONE when nothing was there."""
        outcomes = [
            await self._connection.ask(requests.delete_object(kind, sip_username))
            for kind in ("endpoint", "aor", "auth")
        ]
        failed = [outcome for outcome in outcomes if outcome not in (Outcome.DONE, Outcome.GONE)]
        if failed:
            return failed[0]
        return Outcome.DONE if Outcome.DONE in outcomes else Outcome.GONE

    async def present(self) -> dict[str, str]:
        """Those of pjsip.conf (trunks) too. Raises PbxUnavailable."""
        body = await self._connection.get(requests.list_endpoints())
        return {endpoint.resource: endpoint.state for endpoint in wire.decode(body, list[wire.Endpoint])}

    async def _stored(self, kind: str, name: str) -> dict[str, str] | None:
        """The object's fields as Asterisk has them, None when there is no such object. Raises PbxUnavailable."""
        answer = await self._connection.send(requests.get_object(kind, name))
        if answer.status == 404:
            return None
        if not answer.ok:
            raise PbxUnavailable(f"{kind} {name}: {answer.status} {answer.words}".rstrip())
        return {field.attribute: field.value for field in wire.decode(answer.body, list[wire.ConfigTuple])}


def _holds(stored: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= stored.items()


def _digest(account: SoftphoneAccount) -> str:
    """HA1 of HTTP digest authentication with MD5, the algorithm that every softphone speaks."""
    secret = f"{account.sip_username}:{REALM}:{account.token}"
    return hashlib.md5(secret.encode(), usedforsecurity=False).hexdigest()


def _identity(account: SoftphoneAccount) -> dict[str, str]:
    return {
        "auth": account.sip_username,
        "aors": account.sip_username,
        "callerid": f'"{_plain(account.display_name)}" <{account.extension}>',
        "accountcode": f"agent-{account.agent_id}",
    }


def _plain(name: str) -> str:
    """A display name without what would end its quotes or its line."""
    return "".join(letter for letter in name if letter.isprintable() and letter not in '"\\<>')
