"""The one SIP message the laboratory itself sends: is somebody there? (OPTIONS, RFC 3261 section 11.)"""

from __future__ import annotations

import asyncio
import secrets


class _FirstDatagram(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: tuple[str | int, ...]) -> None:
        if not self.received.done():
            self.received.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.received.done():
            self.received.set_exception(error)


async def answers_sip(host: str, port: int, timeout_s: float = 0.5) -> bool:
    """Whether a SIP server answers OPTIONS at this UDP address, with whatever status."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_FirstDatagram, remote_addr=(host, port))
    try:
        local_host, local_port = transport.get_extra_info("sockname")[:2]
        transport.sendto(
            f"OPTIONS sip:{host}:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {local_host}:{local_port};branch=z9hG4bK{secrets.token_hex(8)};rport\r\n"
            f"From: <sip:lab@{local_host}>;tag={secrets.token_hex(4)}\r\n"
            f"To: <sip:{host}:{port}>\r\n"
            f"Call-ID: {secrets.token_hex(8)}\r\n"
            "CSeq: 1 OPTIONS\r\nMax-Forwards: 1\r\nContent-Length: 0\r\n\r\n".encode()
        )
        try:
            answer = await asyncio.wait_for(protocol.received, timeout_s)
        except (TimeoutError, OSError):
            return False
        return answer.startswith(b"SIP/2.0 ")
    finally:
        transport.close()
