"""A missing part of the machine is not a failure at home, but it is never silent; in CI it is a failure."""

from __future__ import annotations

import os

import pytest

from deploy.dev.kafka import missing_tools

_REASONS: dict[str, int] = {}


def not_proven(reason: str) -> None:
    """Skip the test and remember why for the end of the run. Fails instead when CI=true."""
    _REASONS[reason] = _REASONS.get(reason, 0) + 1
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"NOT PROVEN: {reason}", pytrace=False)
    pytest.skip(reason)


def reasons() -> dict[str, int]:
    """What was not proven, with the number of tests that it concerns."""
    return dict(_REASONS)


def require_kafka_tools() -> None:
    """Skip, or fail in CI, when this machine cannot run Apache Kafka."""
    if missing := missing_tools():
        not_proven(f"behaviour on Apache Kafka ({' and '.join(missing)} not installed)")
