"""The diary's own tables beside its log: what its pages read, and the private store.

``read`` can be made again from the log. ``private`` cannot: it holds what must never enter the log. Sealed values are
readable only with the key of their subject; erasing a subject is destroying its key (R40).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

read = sa.MetaData(schema="read")
private = sa.MetaData(schema="private")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


visits = sa.Table(
    "visits",
    read,
    sa.Column("visit_id", sa.Uuid, primary_key=True),
    sa.Column("service_point_id", sa.Text, nullable=False),
    sa.Column("provider_id", sa.Text, nullable=False),
    sa.Column("service_day", sa.Date, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False, comment="of the first entry"),
    sa.Column("authority_ids", ARRAY(sa.Text), nullable=False, comment="of every version it ever had"),
    sa.Column("voided", sa.Boolean, nullable=False),
    sa.Index("visits_of_a_day", "service_point_id", "service_day", "position"),
    sa.Index("visits_in_order", "position"),
)
documents = sa.Table(
    "documents",
    read,
    sa.Column("document_id", sa.Uuid, primary_key=True),
    sa.Column("visit_id", sa.Uuid, nullable=False),
    sa.Column("act_no", sa.SmallInteger, nullable=False),
    sa.Column("service_point_id", sa.Text, nullable=False),
    sa.Column("provider_id", sa.Text, nullable=False),
    sa.Column("authority_id", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("stamp_id", sa.Uuid, nullable=True),
    _moment("forwarded_at", nullable=True),
    sa.UniqueConstraint("stamp_id", name="a_stamp_is_used_once"),
    sa.Index("documents_of_a_visit", "visit_id"),
)
imports = sa.Table(
    "imports",
    read,
    sa.Column("import_id", sa.Uuid, primary_key=True),
    sa.Column("service_point_id", sa.Text, nullable=False),
    sa.Column("provider_id", sa.Text, nullable=False),
    sa.Column("recorder", sa.Text, nullable=False),
    sa.Column("content_sha256", sa.Text, nullable=False),
    _moment("imported_at"),
    sa.Column("report", JSONB, nullable=False, comment="counts; rejected rows: private.import_rejections"),
)
stamps = sa.Table(
    "stamps",
    private,
    sa.Column("stamp_id", sa.Uuid, primary_key=True),
    sa.Column("service_point_id", sa.Text, nullable=False),
    sa.Column("recorder", sa.Text, nullable=False),
    _moment("stamped_at"),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
)
subject_keys = sa.Table(
    "subject_keys",
    private,
    sa.Column("subject_id", sa.Uuid, primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=True, comment="null once destroyed; backed up apart"),
    _moment("created"),
    _moment("destroyed", nullable=True),
)
sealed_documents = sa.Table(
    "documents",
    private,
    sa.Column("document_id", sa.Uuid, primary_key=True),
    sa.Column("subject_id", sa.Uuid, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
import_rejections = sa.Table(
    "import_rejections",
    private,
    sa.Column("import_id", sa.Uuid, primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("problems", JSONB, nullable=False),
    sa.Column("cells", ARRAY(sa.Text), nullable=False, comment="the row as it came, to be mended"),
)
PRIVILEGES = {
    "private.stamps": "SELECT, INSERT",
    "private.subject_keys": "SELECT, INSERT, UPDATE",
    "private.documents": "SELECT, INSERT",
    "private.import_rejections": "SELECT, INSERT, DELETE",
}
"""What the running service may do in the private store: stamps and sealed values are never changed."""
