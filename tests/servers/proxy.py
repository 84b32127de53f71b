"""A TCP proxy that breaks connections on demand: cut, blackhole, latency, a cut between request and reply."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self, TypeVar

from tests.servers.ports import LOOPBACK, free_port
from tests.support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")

_CHUNK = 64 * 1024
_REPLY_S = 10.0
_CALL_S = 10.0


class ReplyCut:
    """A cut that waits for its request; see `TcpProxy.cut_reply`."""

    def __init__(self, predicate: Callable[[bytes], bool], times: int) -> None:
        """Cut the first `times` connections whose client bytes match."""
        self._predicate = predicate
        self._left = times
        self._done = threading.Event()
        self.count = 0

    def wait(self, timeout_s: float) -> bool:
        """Wait for the first cut; say whether it came."""
        return self._done.wait(patience(timeout_s))

    def takes(self, chunk: bytes) -> bool:
        """Say whether this chunk's connection is to be cut, and use up one of the times if so."""
        if self._left == 0 or not self._predicate(chunk):
            return False
        self._left -= 1
        return True

    def note_cut(self) -> None:
        """Count a cut that was carried out."""
        self.count += 1
        self._done.set()


class _Connection:
    """One client, its upstream, and the two pumps between them."""

    def __init__(self, client: asyncio.StreamWriter, upstream: asyncio.StreamWriter) -> None:
        self.client = client
        self.upstream = upstream
        self.muted_by: ReplyCut | None = None
        self.replied = asyncio.Event()

    def reset(self) -> None:
        """Break both sides at once, unsent bytes included."""
        _reset(self.client)
        _reset(self.upstream)


class TcpProxy:
    """Forward a loopback port to `upstream`, in a thread of its own.

    It listens before its upstream does; a connection made meanwhile is reset. `latency_s` may be set at any
    time: each chunk waits that long, in each direction. `accepted` counts the connections ever served.
    """

    def __init__(self, upstream: str) -> None:
        """Choose a port for `upstream` (host:port); nothing listens before `start`."""
        self.upstream = upstream
        self.host = LOOPBACK
        self.port = free_port()
        self.latency_s = 0.0
        self.accepted = 0
        self._cuts: list[ReplyCut] = []
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def address(self) -> str:
        """Where clients connect: host:port."""
        return f"{self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._connections)

    def start(self) -> None:
        """Listen; nothing happens when it listens already."""
        if self._thread is not None:
            return
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        try:
            self._call(self._listen())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Reset every connection and stop listening; nothing happens when it does not listen."""
        if self._loop is None or self._thread is None:
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    def cut(self) -> int:
        """Reset every open connection; new ones are served. Returns how many were reset."""
        return self._call(self._cut())

    def blackhole(self) -> None:
        """Let nothing through in either direction; connections stay open."""
        self._call(self._flow(on=False))

    def heal(self) -> None:
        """End a blackhole; bytes that were held go on."""
        self._call(self._flow(on=True))

    def cut_reply(self, predicate: Callable[[bytes], bool], times: int = 1) -> ReplyCut:
        """Lose the reply to a request: carried out upstream, never heard of by the client.

        When bytes from a client match, they are forwarded, the upstream's next bytes are swallowed, and the
        client's connection is reset. `predicate` sees chunks as they were read, in the proxy's thread. With a
        client that pipelines, the swallowed bytes may answer an earlier request.
        """
        cut = ReplyCut(predicate, times)
        self._cuts.append(cut)
        return cut

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _call(self, what: Coroutine[None, None, T]) -> T:
        """Run on the proxy's loop and wait for the result."""
        if self._loop is None:
            what.close()
            msg = "the proxy is not started"
            raise RuntimeError(msg)
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(patience(_CALL_S))

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _cut(self) -> int:
        connections = list(self._connections)
        for connection in connections:
            connection.reset()
        return len(connections)

    async def _flow(self, *, on: bool) -> None:
        if on:
            self._flowing.set()
        else:
            self._flowing.clear()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        host, port = self.upstream.rsplit(":", 1)
        try:
            from_upstream, upstream = await asyncio.open_connection(host, int(port))
        except OSError:
            _reset(client)
            return
        connection = _Connection(client, upstream)
        self._connections.add(connection)
        self.accepted += 1
        pumps = [
            asyncio.create_task(self._requests(connection, from_client)),
            asyncio.create_task(self._replies(connection, from_upstream)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._connections.discard(connection)
            for writer in (client, upstream):
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _requests(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        """Forward client bytes until the client ends, or a reply is to be cut."""
        while chunk := await self._read(reader):
            cut = next((one for one in self._cuts if one.takes(chunk)), None)
            connection.muted_by = cut
            connection.upstream.write(chunk)
            await connection.upstream.drain()
            if cut is None:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(connection.replied.wait(), patience(_REPLY_S))
            # Only the client: a reset upstream could throw away the request that was just forwarded.
            _reset(connection.client)
            cut.note_cut()
            return

    async def _replies(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        """Forward upstream bytes until the upstream ends; swallow them once a reply is to be cut."""
        while chunk := await self._read(reader):
            if connection.muted_by is not None:
                connection.replied.set()
                continue
            connection.client.write(chunk)
            await connection.client.drain()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """Return the next chunk once it may pass; empty when this side has ended."""
        try:
            chunk = await reader.read(_CHUNK)
        except OSError:
            return b""
        if self.latency_s > 0:
            await asyncio.sleep(self.latency_s)
        await self._flowing.wait()
        return chunk


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an orderly end."""
    with contextlib.suppress(OSError):
        sock: socket.socket | None = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
