"""``python -m services.billing.verify``: an authority checks an invoice against its own copies, offline.

Needs no settings and no database; the same is the verb ``recompute`` of the service.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from services.billing.recompute import recompute
from services.chassis.errors import ApudiaariError, Invalid

MAX_FILE_BYTES = 2_000_000_000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--invoice", type=Path, required=True, help="canonical JSON of the invoice")
    parser.add_argument("--feed", type=Path, required=True, help="your diary feed from entry 1, one event a line")
    parser.add_argument("--agreements", type=Path, required=True, help="your agreements feed, one event a line")
    parser.add_argument("--earlier", type=Path, help="your billing feed, one event a line: the earlier documents")


def run(chosen: argparse.Namespace) -> int:
    """Rebuild an invoice from an authority's own copies; 1 unless it is equal."""
    made = recompute(
        chosen.invoice.read_bytes(),
        _lines(chosen.feed),
        _lines(chosen.agreements),
        _lines(chosen.earlier) if chosen.earlier else (),
    )
    print(f"{made.number}: stated {made.stated} €, computed {made.computed} € from {made.acts} acts")
    print(f"terms as known at entry {made.known_until} of the agreements feed")
    print(f"{made.hash_stated} stated\n{made.hash_computed or 'nothing':64} computed")
    print("EQUAL" if made.equal else "DIFFERS")
    return 0 if made.equal else 1


def _lines(path: Path) -> list[bytes]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise Invalid("too_large", f"{path} is over {MAX_FILE_BYTES} bytes.")
    return [line for line in path.read_bytes().splitlines() if line.strip()]


def main() -> int:
    """Exit code 0: equal; 1: it differs, or an input is not complete."""
    parser = argparse.ArgumentParser(prog="python -m services.billing.verify", description=__doc__)
    arguments(parser)
    try:
        return run(parser.parse_args())
    except (ApudiaariError, OSError, ValueError) as refusal:
        print(refusal, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
