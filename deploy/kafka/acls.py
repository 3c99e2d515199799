"""Who may do what on the broker: every ACL of the platform and the authorities, made from what is declared elsewhere.

Topics and their owners are `schemas.topics`; what a service reads is what its projections declare. Nothing is granted
to everybody, and what is not granted here is refused (`allow.everyone.if.no.acl.found=false`).

    python -m deploy.kafka.acls kela vero …      one `kafka-acls.sh` line per right; principals are `User:<name>`

Limits, honestly: Kafka matches names by their beginning only, so a service that keeps a log may write below
`apudiaari.authority.` as a whole, also to the topic that another service fills. What it cannot do is be believed: an
authority checks its feed against the manifests that the right service signed (design.md §8).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # It re-exports without saying so.
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from schemas.topics import EVENT_TOPICS, authority_prefix

SERVICES = ("diary", "agreements", "billing", "statistics")
AUTHORITIES_PREFIX = authority_prefix("x").removesuffix("x.")
KEEPS = ("Create", "Describe", "Read", "Write")
"""A relay makes its topic, writes to it and reads it back (design.md §5)."""
READS = ("Describe", "Read")


@dataclass(frozen=True, slots=True)
class Acl:
    """One principal's rights on a topic or consumer group, or on all whose names begin so (``prefixed``)."""

    principal: str
    kind: str
    name: str
    prefixed: bool
    operations: tuple[str, ...]

    def command(self) -> str:
        """The arguments of `kafka-acls.sh`."""
        pattern = "prefixed" if self.prefixed else "literal"
        operations = " ".join(f"--operation {operation}" for operation in self.operations)
        return (
            f"--add --allow-principal User:{self.principal} {operations} --{self.kind} {self.name} "
            f"--resource-pattern-type {pattern}"
        )


def service_acls(service: str) -> list[Acl]:
    """What a service needs: its own topic, the topics it folds, its consumer groups, the authorities' copies."""
    projections = import_module(f"services.{service}.consumers").PROJECTIONS
    read = sorted({source.topic.name for spec in projections for source in spec.sources})
    found = [Acl(service, "topic", topic, False, READS) for topic in read]
    found += [Acl(service, "group", f"{spec.name}.v", True, ("Read",)) for spec in projections]
    if service in EVENT_TOPICS:
        found.append(Acl(service, "topic", EVENT_TOPICS[service].name, False, KEEPS))
        found.append(Acl(service, "topic", AUTHORITIES_PREFIX, True, KEEPS))
    return found


def authority_acls(authority_id: str) -> list[Acl]:
    """What an authority's principal, named as the authority is, needs: its own topics, and groups of its own."""
    return [
        Acl(authority_id, "topic", authority_prefix(authority_id), True, READS),
        Acl(authority_id, "group", f"{authority_id}.", True, ("Read",)),
    ]


def acls(authorities: Iterable[str] = ()) -> list[Acl]:
    """Every ACL: of the four services, and of the authorities named."""
    found = [acl for service in SERVICES for acl in service_acls(service)]
    return found + [acl for authority_id in authorities for acl in authority_acls(authority_id)]


def grant(admin: AdminClient, wanted: Iterable[Acl]) -> None:
    """Create them on a broker. Again is no fault."""
    kinds = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
    patterns = {True: ResourcePatternType.PREFIXED, False: ResourcePatternType.LITERAL}
    bindings = [
        AclBinding(
            kinds[acl.kind],
            acl.name,
            patterns[acl.prefixed],
            f"User:{acl.principal}",
            "*",
            AclOperation[operation.upper()],
            AclPermissionType.ALLOW,
        )
        for acl in wanted
        for operation in acl.operations
    ]
    for done in admin.create_acls(bindings).values():
        done.result(10)


def table() -> str:
    """The services' rights and an authority's, as the README shows them."""
    rows = ["| principal | may | on |", "|---|---|---|"]
    for acl in acls(["kela"]):
        name = f"`{acl.name}…`" if acl.prefixed else f"`{acl.name}`"
        rows.append(f"| {acl.principal} | {', '.join(acl.operations)} | {acl.kind} {name} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the broker's ACLs, one kafka-acls.sh line each.")
    parser.add_argument("authorities", nargs="*", help="ids of authorities that read their topics, such as kela")
    parser.add_argument("--table", action="store_true", help="print the table of deploy/kafka/README.md instead")
    asked = parser.parse_args()
    print(table() if asked.table else "\n".join(acl.command() for acl in acls(asked.authorities)))


if __name__ == "__main__":
    main()
