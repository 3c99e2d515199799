"""A missing part of the machine is not a failure at home, but it is never silent; in CI it is a failure."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from deploy.dev.kafka import missing_tools

_REASONS: set[str] = set()


def not_proven(reason: str) -> None:
    """Skip the test and remember why for the end of the run. Fails instead when CI=true."""
    _REASONS.add(reason)
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"NOT PROVEN: {reason}", pytrace=False)
    pytest.skip(reason)


def summary(reports: Iterable[pytest.TestReport]) -> list[str]:
    """A line per reason with the number of tests it concerns; a fixture says its reason once for many tests."""
    told = [str(report.longrepr) for report in reports]
    return [f"NOT PROVEN: {reason}; tests: {sum(reason in text for text in told)}" for reason in sorted(_REASONS)]


def require_kafka_tools() -> None:
    """Skip, or fail in CI, when this machine cannot run Apache Kafka."""
    if missing := missing_tools():
        not_proven(f"behaviour on Apache Kafka ({' and '.join(missing)} not installed)")
