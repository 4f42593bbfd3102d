"""The engine's Pbx on ARI."""

from __future__ import annotations

from callcontrol.ari import requests, wire
from callcontrol.ari.connection import AriConnection
from callcontrol.ari.translate import pbx_snapshot
from callcontrol.engine.ports.pbx import Outcome, PbxSnapshot

_BRIDGE_TYPE = "mixing,proxy_media"
"""Media always passes through Asterisk, so that joining a monitor later changes nothing that a phone can see (M7)."""


class AriPbx:
    """Implements callcontrol.engine.ports.pbx.Pbx over one AriConnection."""

    def __init__(self, connection: AriConnection, *, app: str = "callcontrol") -> None:
        self._connection = connection
        self._app = app

    async def snapshot(self) -> PbxSnapshot:
        """Raises PbxUnavailable."""
        info = wire.decode(await self._connection.get(requests.asterisk_status()), wire.AsteriskInfo)
        channels = wire.decode(await self._connection.get(requests.list_channels()), list[wire.Channel])
        bridges = wire.decode(await self._connection.get(requests.list_bridges()), list[wire.Bridge])
        return pbx_snapshot(info, channels, bridges, self._app)

    async def channel_exists(self, channel_id: str) -> bool | None:
        outcome = await self._connection.ask(requests.get_channel(channel_id))
        return {Outcome.DONE: True, Outcome.GONE: False}.get(outcome)

    async def create_bridge(self, bridge_id: str) -> Outcome:
        return await self._connection.ask(requests.create_bridge(bridge_id, _BRIDGE_TYPE))

    async def destroy_bridge(self, bridge_id: str) -> Outcome:
        return await self._connection.ask(requests.destroy_bridge(bridge_id))

    async def create_channel(
        self, channel_id: str, dial_string: str, *, app_args: tuple[str, ...], originator: str | None
    ) -> Outcome:
        request = requests.create_channel(
            channel_id, dial_string, app=self._app, app_args=app_args, originator=originator
        )
        outcome = await self._connection.ask(request)
        if outcome is Outcome.EXISTS and not (exists := await self.channel_exists(channel_id)):
            # Asterisk 22.10.1 remembers "id exists" per thread and says it again, 409 in place of 500, when a later
            # request on the same connection names an endpoint that is not there (measured). So look.
            return Outcome.UNKNOWN if exists is None else Outcome.UNAVAILABLE
        return outcome

    async def set_variables(self, channel_id: str, variables: dict[str, str]) -> Outcome:
        """Asterisk answers DONE whatever the names: a function that it does not know is only in its log."""
        return await self._connection.ask(requests.set_variables(channel_id, variables))

    async def add_to_bridge(self, bridge_id: str, channel_ids: tuple[str, ...]) -> Outcome:
        """All of them or, if one is gone, none."""
        return await self._connection.ask(requests.add_to_bridge(bridge_id, channel_ids))

    async def dial(self, channel_id: str, *, caller: str | None, timeout_s: int) -> Outcome:
        """Once only: a second dial of the same channel is accepted and ends it (measured on 22.10.1)."""
        return await self._connection.ask(requests.dial(channel_id, caller=caller, timeout_s=timeout_s))

    async def answer(self, channel_id: str) -> Outcome:
        return await self._connection.ask(requests.answer(channel_id))

    async def play(self, channel_id: str, playback_id: str, media: str) -> Outcome:
        """The same id again is queued again, not refused. PlaybackEnded follows also when it could not be played."""
        return await self._connection.ask(requests.play(channel_id, playback_id, media))

    async def hang_up(self, channel_id: str, q850: int) -> Outcome:
        return await self._connection.ask(requests.hang_up(channel_id, q850))

    async def continue_in_dialplan(self, channel_id: str) -> Outcome:
        return await self._connection.ask(requests.continue_in_dialplan(channel_id))
