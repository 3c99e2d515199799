"""The W3C traceparent of the request being served: from the HTTP header to the logs, the log row and the Kafka header.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

CURRENT: ContextVar[str] = ContextVar("traceparent", default="")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def taken_or_new(header: str) -> str:
    """The traceparent that the client sent, or a new one if it sent none that is valid."""
    return header if _TRACEPARENT.fullmatch(header) else f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def trace_id(traceparent: str) -> str:
    """The trace's own 32 hexadecimal digits."""
    return traceparent[3:35]
