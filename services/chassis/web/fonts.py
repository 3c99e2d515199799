"""Source Sans 3, cut down to the letters we write and packed as woff2 (~80 kB).

Made once per machine from the ``fontpkg-source-sans-3`` wheel and kept in a cache directory; nothing of it is in the
repository. If it cannot be made, pages use the system's font: a font never stops a service.
"""

import hashlib
import logging
import os
import tempfile
from pathlib import Path

import fontpkg  # type: ignore[import-untyped]
from fontTools import subset
from fontTools.ttLib import TTFont

log = logging.getLogger(__name__)

NAME = "source-sans-3.woff2"
# Latin with its supplements covers Finnish, Swedish, English and the Sámi languages of Finland (ŋ ŧ đ ǩ ǥ ʒ ǯ); the
# rest is what our pages write: dashes, quotes, minus, arrows, euro, no-break spaces.
RANGES = ((0x20, 0x7E), (0xA0, 0x17F), (0x1B5, 0x1B6), (0x1CD, 0x1DC), (0x1E4, 0x1EF), (0x218, 0x21B), (0x292, 0x292),
          (0x2B9, 0x2BC), (0x2000, 0x206F), (0x20AC, 0x20AC), (0x2190, 0x2193), (0x2200, 0x22FF), (0x25A0, 0x25FF),
          (0x2713, 0x2717))  # fmt: skip
FEATURES = ["kern", "liga", "tnum", "lnum", "mark", "mkmk", "ccmp", "locl"]


def cache_directory() -> Path:
    """``APUDIAARI_CACHE_DIR``, else the user's cache; a container mounts or bakes one."""
    home = os.environ.get("APUDIAARI_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return Path(home or Path.home() / ".cache") / "apudiaari" / "static"


def font_directory() -> Path | None:
    """A directory that holds the font, made if need be; None (and a log line) when that is impossible."""
    try:
        source = fontpkg.path("Source Sans 3", weight=400)
        directory = cache_directory() / _recipe(source)
        if not (directory / "fonts" / NAME).exists():
            _write(directory / "fonts" / NAME, make_woff2(source))
    except Exception:
        log.warning("the web font could not be made; pages use the system's font", exc_info=True)
        return None
    return directory


def make_woff2(source: Path) -> bytes:
    """The variable font, weights kept, cut down to ``RANGES``. The same input gives the same bytes."""
    font = TTFont(source, recalcTimestamp=False)
    options = subset.Options(flavor="woff2", layout_features=FEATURES, notdef_outline=True, hinting=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[point for first, last in RANGES for point in range(first, last + 1)])
    cutter.subset(font)
    font.flavor = "woff2"
    with tempfile.SpooledTemporaryFile() as file:
        font.save(file)
        file.seek(0)
        return file.read()


def _recipe(source: Path) -> str:
    """Names the result by what it is made from and how."""
    stated = f"{source.name} {source.stat().st_size} {RANGES} {FEATURES}"
    return hashlib.sha256(stated.encode()).hexdigest()[:16]


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: several services may start at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
