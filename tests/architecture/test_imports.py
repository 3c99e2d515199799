"""The dependency rules of the design, by import-linter: they hold, and they would be seen to break."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import ROOT

LINTER = Path(sys.executable).with_name("lint-imports")


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    argv = [str(LINTER), "--no-cache", "--config", str(config)]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_dependencies_run_one_way() -> None:
    done = lint(ROOT / ".importlinter")
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_a_dependency_the_other_way_is_seen(tmp_path: Path) -> None:
    """A rule that the tree breaks by design: services do import the chassis."""
    config = tmp_path / "contracts"
    config.write_text(
        "[importlinter]\nroot_packages =\n    services\n\n[importlinter:contract:no]\nname = No chassis\n"
        "type = forbidden\nsource_modules = services.diary\nforbidden_modules = services.chassis\n"
    )
    done = lint(config)
    assert done.returncode != 0
    assert "No chassis BROKEN" in done.stdout
