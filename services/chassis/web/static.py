"""Static files with a hash in their address, so that browsers may keep them for a year and never show a stale one.

The hash covers every file of the shell and of the service (``/static/<hash>/app.css``): one hash for all keeps
relative imports between ES modules and ``url()`` in the stylesheet right without rewriting anything.
"""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from services.chassis.errors import NotFound

SHELL_STATIC = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".woff2": "font/woff2"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file held in memory: there are few and they are small."""

    content: bytes
    media_type: str


class StaticFiles:
    """The files of the directories given; a later directory may add names but not replace one."""

    def __init__(self, *directories: Path) -> None:
        self.files: dict[str, StaticFile] = {}
        for directory in directories:
            for path in sorted(directory.rglob("*")) if directory.is_dir() else ():
                if path.is_file() and not path.name.startswith("."):
                    self._add(path.relative_to(directory).as_posix(), path)
        digest = hashlib.sha256()
        for name, file in sorted(self.files.items()):
            digest.update(name.encode() + b"\0" + hashlib.sha256(file.content).digest())
        self.hash = digest.hexdigest()[:16]

    def _add(self, name: str, path: Path) -> None:
        if name in self.files:
            raise ValueError(f"static file {name} exists twice; a service may not replace one of the shell's")
        guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.files[name] = StaticFile(path.read_bytes(), MEDIA_TYPES.get(path.suffix, guessed))

    def url(self, name: str) -> str:
        """The address to write into a page. Raises KeyError for a file that does not exist."""
        if name not in self.files:
            raise KeyError(f"no static file {name}")
        return f"/static/{self.hash}/{name}"

    def respond(self, hash_asked: str, name: str) -> Response:
        """The file. An address of an older build gets today's file, but may not be kept."""
        file = self.files.get(name)
        if file is None:
            raise NotFound("not_found", "There is no such file.")
        keep = FOREVER if hash_asked == self.hash else "no-cache"
        return Response(file.content, media_type=file.media_type, headers={"Cache-Control": keep})
