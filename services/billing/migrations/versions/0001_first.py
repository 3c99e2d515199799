"""The log, the registry of projections, the sessions, and billing's own read tables."""

from alembic import op

from services.billing import tables
from services.chassis import migrate

revision = "0001"
down_revision = None


def upgrade() -> None:
    migrate.create_chassis(op, service="billing", partitions=1, log=True)
    op.execute("CREATE SCHEMA read")
    tables.read.create_all(op.get_bind())
    migrate.grant(op, "billing", "read", "SELECT, INSERT, UPDATE, DELETE")
