"""The log, and the read tables of the register and the agreements."""

from alembic import op

from services.agreements import store
from services.chassis import migrate

revision = "0001"
down_revision = None


def upgrade() -> None:
    migrate.create_chassis(op, service="agreements", partitions=1, log=True)
    op.execute("CREATE SCHEMA read")
    store.metadata.create_all(op.get_bind())
    migrate.grant(op, "agreements", "read", "SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    raise NotImplementedError("a log is not undone; restore a backup instead")
