"""What this version needs of Asterisk. Kept in code, so that an installed wheel knows it; tests compare it with
`asterisk-conf/tested-versions` and `asterisk-conf/modules.conf`."""

from __future__ import annotations

TESTED_VERSIONS = ("22.10.1",)
OLDEST_VERSION = (22, 10, 1)
"""Its predecessors lack two security fixes in ARI."""

MODULES = frozenset(
    f"{name}.so"
    for name in (
        *("app_dial", "app_playback", "app_stasis", "bridge_simple", "bridge_softmix", "cel_custom", "chan_pjsip"),
        *("codec_alaw", "codec_resample", "codec_ulaw", "func_callerid", "func_timeout", "pbx_config"),
        *("res_ari", "res_ari_applications", "res_ari_asterisk", "res_ari_bridges", "res_ari_channels"),
        *("res_ari_endpoints", "res_ari_events", "res_ari_playbacks", "res_http_websocket", "res_pjsip"),
        *("res_pjsip_authenticator_digest", "res_pjsip_caller_id", "res_pjsip_outbound_authenticator_digest"),
        *("res_pjsip_pubsub", "res_pjsip_registrar", "res_pjsip_sdp_rtp", "res_pjsip_session", "res_rtp_asterisk"),
        *("res_sorcery_astdb", "res_stasis", "res_stasis_answer", "res_stasis_playback", "res_websocket_client"),
    )
)
