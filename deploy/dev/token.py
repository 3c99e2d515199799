"""`python -m deploy.dev.token ROLE [PARTY]`: a bearer token of a machine client of the running stack, for curl."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import httpx

from deploy.dev.layout import REPOSITORY


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.dev.token", description=__doc__)
    parser.add_argument("role", help="adviser, provider, authority, ministry, operator …")
    parser.add_argument("party", nargs="?", help="the party, such as kela or kunta-732 (default: the first)")
    parser.add_argument("--endpoints", type=Path, default=REPOSITORY / ".run" / "endpoints.json")
    chosen = parser.parse_args()
    try:
        endpoints = json.loads(chosen.endpoints.read_text())
    except FileNotFoundError:
        print("Nothing runs here: start it with `make demo` or `make up`.", file=sys.stderr)
        return 1
    fitting = [each for each in endpoints["clients"] if each["role"] == chosen.role]
    fitting = [each for each in fitting if chosen.party in (None, each["party_id"])]
    if not fitting:
        known = sorted({f"{each['role']} {each['party_id'] or ''}".strip() for each in endpoints["clients"]})
        print(f"There is no such client. There are: {', '.join(known)}.", file=sys.stderr)
        return 1
    answer = httpx.post(
        endpoints["token_endpoint"],
        data={"grant_type": "client_credentials"},
        auth=(fitting[0]["client_id"], fitting[0]["client_secret"]),
    )
    answer.raise_for_status()
    print(answer.json()["access_token"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
