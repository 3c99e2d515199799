"""A network between a writer and PostgreSQL that can lose a connection at the worst moment: inside COMMIT.

``before``: the COMMIT never arrives (nothing was recorded). ``after``: it arrives and is carried out, and the answer is
lost (everything was recorded). The client cannot tell the two apart. ``hold``: the COMMIT waits until released.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

Fault = Literal["", "before", "after", "hold"]
COMMIT = b"COMMIT"


class Proxy:
    """Forwards bytes to PostgreSQL. ``fault`` happens to the next COMMIT, once."""

    def __init__(self, dsn: str) -> None:
        self._parts = urlsplit(dsn)
        self.fault: Fault = ""
        self.happened = 0
        self.held = asyncio.Event()
        self.released = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[Any]] = set()

    @property
    def dsn(self) -> str:
        """The same database, through this proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        login = f"{self._parts.username}:{self._parts.password}"
        return urlunsplit(self._parts._replace(netloc=f"{login}@127.0.0.1:{port}"))

    def aim(self, dsn: str) -> None:
        """Lead to another database from now on."""
        self._parts = urlsplit(dsn)

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for stream in list(self._open):
            stream.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None and self._parts.hostname and self._parts.port
        self._serving.add(me)
        me.add_done_callback(self._serving.discard)
        upstream_reader, upstream = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        streams = {writer, upstream}
        self._open |= streams
        answers = asyncio.create_task(_pipe(upstream_reader, writer))
        try:
            while data := await reader.read(65_536):
                if self.fault and COMMIT in data and not await self._befall(data, upstream, upstream_reader, answers):
                    return
                upstream.write(data)
                await upstream.drain()
        except OSError:
            return
        finally:
            answers.cancel()
            self._open -= streams
            for stream in streams:
                with suppress(OSError):
                    stream.transport.abort()

    async def _befall(
        self, data: bytes, upstream: asyncio.StreamWriter, answer: asyncio.StreamReader, answers: asyncio.Task[None]
    ) -> bool:
        """The fault; False when the connection is lost by it."""
        fault, self.fault = self.fault, ""
        self.happened += 1
        if fault == "hold":
            self.held.set()
            await self.released.wait()
            return True
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)
        if fault == "after":
            upstream.write(data)
            await upstream.drain()
            await answer.read(65_536)  # It was carried out; nobody hears of it.
        return False


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
