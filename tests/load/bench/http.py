"""A small HTTP/1.1 client over keep-alive connections, so that the load is the server's and not the client's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit


class Connection:
    """One keep-alive connection; one request at a time."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None and parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = f"host: {parts.netloc}\r\ncontent-type: application/json\r\n{lines}".encode()

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body."""
        self._writer.write(
            b"%b %b HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n%b"
            % (method.encode(), path.encode(), self._head, len(body), body)
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        lowered = head.lower()
        start = lowered.index(b"content-length:") + len(b"content-length:")
        length = int(lowered[start : lowered.index(b"\r\n", start)])
        return int(head[9:12]), await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


async def load(
    url: str, headers: dict[str, str], clients: int, seconds: float, make: Callable[[], tuple[str, str, dict[str, Any]]]
) -> dict[str, Any]:
    """``clients`` send one request after the other for so long; requests/s and the spread of answer times."""
    times: list[float] = []
    refused: list[bytes] = []
    stop = time.perf_counter() + seconds

    async def client() -> None:
        connection = Connection(url, headers)
        await connection.open()
        while time.perf_counter() < stop:
            method, path, content = make()
            body = json.dumps(content).encode()
            started = time.perf_counter()
            status, answer = await connection.request(method, path, body)
            times.append(time.perf_counter() - started)
            if status not in {200, 201}:
                refused.append(answer)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    if refused:
        raise RuntimeError(f"{len(refused)} of {len(times)} refused: {refused[0][:400]!r}")
    return {"clients": clients, "per_s": round(len(times) / seconds), **spread(times)}


def spread(seconds: list[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds."""
    ordered = sorted(seconds)
    return {
        f"p{share}_ms": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 1)
        for share in (50, 95, 99)
    }
