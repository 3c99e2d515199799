"""What a process says when it was not told enough to run."""

from __future__ import annotations

import pytest

from services.chassis import cli
from services.statistics.app import SERVICE

DSN = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "SIGNING_KEY_FILE", "FEED_SECRET", "ISSUERS", "PORT"):
        monkeypatch.delenv(f"APUDIAARI_{name}", raising=False)


def test_a_missing_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(SERVICE, ["serve"]) == 2
    assert capsys.readouterr().err == "settings_invalid: APUDIAARI_DATABASE_URL: Field required\n"


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("APUDIAARI_DATABASE_URL", DSN)
    monkeypatch.setenv("APUDIAARI_PORT", "80000")
    assert cli.main(SERVICE, ["serve"]) == 2
    assert "APUDIAARI_PORT" in capsys.readouterr().err


def test_a_feed_secret_that_is_no_number_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APUDIAARI_DATABASE_URL", DSN)
    monkeypatch.setenv("APUDIAARI_FEED_SECRET", "not a number")
    assert cli.main(SERVICE, ["serve"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("settings_invalid: APUDIAARI_FEED_SECRET: ") and "not a number" not in said


@pytest.mark.parametrize("verb", ["serve", "project"])
def test_no_service_runs_without_keys_and_issuers(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APUDIAARI_DATABASE_URL", DSN)
    monkeypatch.setenv("APUDIAARI_FEED_SECRET", "5e" * 31)  # A byte short.
    assert cli.main(SERVICE, [verb]) == 1
    said = capsys.readouterr().err
    assert said.startswith("settings_incomplete: ")
    assert all(f"APUDIAARI_{name}" in said for name in ("SIGNING_KEY_FILE", "FEED_SECRET", "ISSUERS"))
