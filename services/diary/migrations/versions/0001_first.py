"""The log, the registry of projections, the sessions, and the diary's own tables."""

from alembic import op

from services.chassis import migrate
from services.diary import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    migrate.create_chassis(op, service="diary", partitions=12, log=True)
    op.execute("CREATE SCHEMA read")
    op.execute("CREATE SCHEMA private")
    tables.read.create_all(op.get_bind())
    tables.private.create_all(op.get_bind())
    migrate.grant(op, "diary", "read", "SELECT, INSERT, UPDATE, DELETE")
    op.execute("GRANT USAGE ON SCHEMA private TO diary_app")
    for table, privileges in tables.PRIVILEGES.items():
        op.execute(f"GRANT {privileges} ON {table} TO diary_app")
