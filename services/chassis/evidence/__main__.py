"""The offline verifier.

python -m services.chassis.evidence verify RECEIPT.json --keys KEYS.json [--document FILE]
python -m services.chassis.evidence verify-manifest MANIFEST.json --keys KEYS.json [--entries COPIES.ndjson]

Exit codes: 0 everything holds, 1 refused, 2 the input could not be judged.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from services.chassis.evidence.texts import LANGS
from services.chassis.evidence.verify import (
    BadInput,
    as_json,
    as_text,
    bad_input_text,
    verify_manifest_file,
    verify_receipt_file,
)

REFUSED = 1
BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify as the arguments say, print the outcome, and give the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.verb == "verify":
            kind = "receipt"
            verification = verify_receipt_file(options.file, options.keys, options.document)
        else:
            kind = "manifest"
            verification = verify_manifest_file(options.file, options.keys, options.entries, options.previous)
    except BadInput as error:
        print(bad_input_text(error, options.lang), file=sys.stderr)
        return BAD_INPUT
    print(json.dumps(as_json(verification)) if options.json else as_text(kind, verification, options.lang))
    return 0 if verification.ok else REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.chassis.evidence",
        description="Verify a receipt or a feed's manifest offline.",
        epilog="Exit codes: 0 everything holds, 1 refused, 2 the input could not be judged.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    receipt = _verb(verbs, "verify", "verify a receipt")
    receipt.add_argument("--document", type=Path, help="the document itself, or the paper form, byte for byte")
    manifest = _verb(verbs, "verify-manifest", "verify the manifest of a feed's day")
    manifest.add_argument("--entries", type=Path, help="your own copies of that day, one per line, in order")
    manifest.add_argument("--previous", type=Path, help="the manifest of the day before")
    return parser


def _verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=what)
    verb.add_argument("file", type=Path, help="the JSON file to verify")
    verb.add_argument("--keys", type=Path, required=True, help='{"keys": […]} from a source that you trust')
    verb.add_argument("--lang", choices=LANGS, default="fi", help="language of the answer")
    verb.add_argument("--json", action="store_true", help="answer in JSON")
    return verb


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # A console may have another default.
    sys.stderr.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.exit(main())
