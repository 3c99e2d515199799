"""Apache Kafka as one KRaft node, from the jars that `deploy/kafka/pom.xml` names.

Topics are never made by accident (`auto.create.topics.enable=false`). `secured=True` adds what production has:
SCRAM-SHA-512 for clients and access control, denying what is not allowed; the platform is a super user.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # It re-exports without saying so.
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.dev.broker import Broker, new_cluster_id
from deploy.dev.process import PartError, PartMissing, Program, free_port

_REPOSITORY = Path(__file__).resolve().parents[2]
_POM = _REPOSITORY / "deploy" / "kafka" / "pom.xml"
_JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=INFO")
_ITERATIONS = 4096  # SCRAM's least number of rounds, RFC 7677.
PLATFORM = "platform"


class Kafka(Broker):
    """A broker with a log on disk, below `home`. A restart keeps the log; `wipe_and_start` drops it."""

    name = "Apache Kafka"
    idempotent = True

    def __init__(
        self,
        home: Path,
        *,
        port: int,
        log: Path | None = None,
        secured: bool = False,
        libs: Path | None = None,
        controller_port: int | None = None,
    ) -> None:
        super().__init__(home, port=port, log=log)
        self.secured = secured
        self.platform_password = ""
        self._libs = libs or _REPOSITORY / ".run" / "kafka-libs"
        self._controller_port = controller_port or free_port()
        self._properties = self.home / "server.properties"
        self._log4j = self.home / "log4j2.properties"

    @property
    def program(self) -> Program:
        argv = [*self._java(), f"-Dlog4j2.configurationFile={self._log4j}", "kafka.Kafka", str(self._properties)]
        return Program(self.name, argv, self.log, death_signal=signal.SIGKILL, cwd=self.home)

    def prepare(self) -> None:
        """Fetch the jars and format the log folder, each once."""
        super().prepare()
        ensure_jars(self._libs)
        if self.secured:
            self.platform_password = _kept_secret(self.home / "platform-password")
        self._write_settings()
        if not (self._data / "meta.properties").exists():
            self._format()
        self.cluster_id = _cluster_id_of(self._data)

    def forget(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)

    def clear(self) -> None:
        """Delete topics and groups, which is 3 s faster than a new log; the cluster id stays."""
        admin = AdminClient(self.client_options())
        groups = [group.group_id for group in admin.list_consumer_groups().result(10).valid]
        deletions = {**admin.delete_topics(names)} if (names := sorted(self.topics())) else {}
        deletions |= admin.delete_consumer_groups(groups) if groups else {}
        for done in deletions.values():
            done.result(20)
        deadline = time.monotonic() + 20
        while self.topics() and time.monotonic() < deadline:
            time.sleep(0.02)

    def client_options(self) -> dict[str, Any]:
        options = super().client_options()
        return options | self.login(PLATFORM, self.platform_password) if self.secured else options

    def login(self, user: str, password: str) -> dict[str, Any]:
        """Options by which a confluent-kafka client signs in."""
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
        }

    # Access, on a secured broker

    def add_user(self, name: str) -> str:
        """Create a principal without any right and return its password."""
        password = secrets.token_urlsafe(24)
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
        change = UserScramCredentialUpsertion(name, credential, password.encode())
        admin = self._admin()  # Held: a client that is collected ends its own requests.
        for done in admin.alter_user_scram_credentials([change]).values():
            done.result(10)
        return password

    def allow_reading(self, user: str, *, topic_prefix: str, group_prefix: str) -> None:
        """Let a principal read the topics and use the consumer groups of these prefixes, and nothing else."""
        topic, group = (ResourceType.TOPIC, topic_prefix), (ResourceType.GROUP, group_prefix)
        self._allow(user, [(topic, AclOperation.READ), (topic, AclOperation.DESCRIBE), (group, AclOperation.READ)])

    def _allow(self, user: str, rights: Iterable[tuple[tuple[ResourceType, str], AclOperation]]) -> None:
        bindings = [
            AclBinding(
                kind, prefix, ResourcePatternType.PREFIXED, f"User:{user}", "*", operation, AclPermissionType.ALLOW
            )
            for (kind, prefix), operation in rights
        ]
        admin = self._admin()
        for done in admin.create_acls(bindings).values():
            done.result(10)

    def _admin(self) -> AdminClient:
        if not self.secured:
            raise PartError("this broker was started without access control: Kafka(..., secured=True)")
        return AdminClient(self.client_options())

    # Files

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _java(self) -> list[str]:
        return [_require("java"), *_JVM, "-cp", f"{self._libs}/*"]

    def _write_settings(self) -> None:
        self._properties.touch(mode=0o600)  # It names the platform's password on a secured broker.
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in self._settings().items()))
        self._log4j.write_text(_LOG4J)

    def _format(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        argv = [*self._java(), "kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(self._properties)]
        if self.secured:
            user = f"SCRAM-SHA-512=[name={PLATFORM},password={self.platform_password}]"
            argv += ["--add-scram", user]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise PartError(f"Kafka could not format {self._data}: {done.stderr.strip() or done.stdout.strip()}")

    def _settings(self) -> dict[str, str]:
        protocol = "SASL_PLAINTEXT" if self.secured else "PLAINTEXT"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENT",
            "listeners": f"CLIENT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": f"CLIENT:{protocol},CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._data),
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "2",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # After a crash the node waits for its own old session to end; the default is 9 s.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
            "log.segment.bytes": str(64 << 20),
        }
        return settings | (self._security() if self.secured else {})

    def _security(self) -> dict[str, str]:
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        return {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.client.scram-sha-512.sasl.jaas.config": (
                f'{module} required username="{PLATFORM}" password="{self.platform_password}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            # ANONYMOUS is the broker speaking to its own controller, on a listener that clients have no part in.
            "super.users": f"User:{PLATFORM};User:ANONYMOUS",
        }


def _kept_secret(file: Path) -> str:
    """The password in the file; the broker's log holds its hash, so both must live equally long."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()


def _cluster_id_of(data: Path) -> str:
    lines = (data / "meta.properties").read_text().splitlines()
    return next(line.removeprefix("cluster.id=") for line in lines if line.startswith("cluster.id="))


def ensure_jars(libs: Path) -> None:
    """Fetch the broker's jars with Maven unless those of this pom are there. Raises PartMissing."""
    libs.parent.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(_POM.read_bytes()).hexdigest()
    stamp = libs / "stamp.json"
    with libs.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and json.loads(stamp.read_text()) == wanted:
            return
        shutil.rmtree(libs, ignore_errors=True)
        argv = [_require("mvn"), "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"]
        argv += ["-DincludeScope=runtime", f"-DoutputDirectory={libs}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            raise PartError(f"Maven could not fetch Apache Kafka:\n{done.stdout.strip()[-2_000:]}")
        stamp.write_text(json.dumps(wanted))


def missing_tools() -> list[str]:
    """Which of the programs that Apache Kafka needs this machine lacks."""
    return [tool for tool in ("java", "mvn") if shutil.which(tool) is None]


def _require(tool: str) -> str:
    path = shutil.which(tool)
    if path is None:
        raise PartMissing(f"`{tool}` is not installed; Apache Kafka needs Java 17 and Maven (Tansu needs neither)")
    return path


_LOG4J = """status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""
