"""The registry of projections and the sessions: statistics keeps no log and no tables outside its projection."""

from alembic import op

from services.chassis import migrate

revision = "0001"
down_revision = None


def upgrade() -> None:
    migrate.create_chassis(op, service="statistics", log=False)


def downgrade() -> None:
    raise NotImplementedError("there is nothing to go back to; drop the database and fold the topics again")
