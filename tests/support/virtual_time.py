"""Time that passes at once while nobody works, and a connection in memory: what a server does after minutes, in no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

Result = TypeVar("Result")


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: its clock jumps to when the loop would go on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for somebody else"
        self.now += timeout
        return super().select(0)


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop in whose time nobody waits. It begins at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """How much time has passed, in seconds."""
        return self._jumping.now


class Line(asyncio.Transport):
    """A connection to a server in memory: the server's end of it, and what the client does at the other."""

    def __init__(self, protocol: H11Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.received = b""
        """What the client has read."""
        self.cut_at: float | None = None
        """When the connection has ended, in the time of the loop."""
        self.reads = True
        """Whether the client reads whatever comes as soon as it comes."""
        self._closing = False
        self._unread = bytearray()
        self._protocol = protocol
        protocol.connection_made(self)

    def send(self, data: bytes) -> None:
        """The client sends this."""
        self._protocol.data_received(data)

    def read(self, most: int) -> int:
        """The client reads so many bytes at most. Returns how many there were."""
        part = bytes(self._unread[:most])
        del self._unread[:most]
        self.received += part
        if not self._unread:
            self._protocol.resume_writing()
            if self.is_closing():
                self._end()
        return len(part)

    async def sends_until_cut(self, part: bytes, every: float, most: float = 1000.0) -> float:
        """The client sends a part again and again, if any. Returns when the server cuts it off."""
        loop = asyncio.get_running_loop()
        while self.cut_at is None:
            assert loop.time() < most, "the server still holds the connection"
            if part:
                self.send(part)
            await asyncio.sleep(every)
        return self.cut_at

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """The server sends this."""
        self._unread += data
        if self.reads:
            self.read(len(self._unread))
        elif len(self._unread) > HIGH_WATER_LIMIT:
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """How many bytes the client has not read."""
        return len(self._unread)

    def is_closing(self) -> bool:
        """Whether the server has closed the connection, or will once the client has read all."""
        return self._closing

    def close(self) -> None:
        """The server closes the connection once the client has read all."""
        self._closing = True
        if not self._unread:
            self._end()

    def abort(self) -> None:
        """The server closes the connection at once."""
        self._unread.clear()
        self.close()

    def pause_reading(self) -> None:
        """The application reads what it is sent at once: nothing waits before the server."""

    def resume_reading(self) -> None:
        """As above."""

    def _end(self) -> None:
        if self.cut_at is None:
            loop = asyncio.get_running_loop()
            self.cut_at = loop.time()
            loop.call_soon(self._protocol.connection_lost, None)


def in_virtual_time(application: Any, protocol: type[H11Protocol], client: Callable[[Line], Awaitable[Result]]) -> Result:
    """What a client returns that has a connection to a server of this application, which speaks this protocol."""
    settings = uvicorn.Config(application, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False)
    settings.load()
    loop = VirtualTime()

    async def served() -> Result:
        return await client(Line(protocol(settings, ServerState(), {}, loop)))

    try:
        return loop.run_until_complete(served())
    finally:
        loop.close()
