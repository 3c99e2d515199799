"""The read tables: invoices, their lines, runs. They can be dropped and made again from the log (``reproduce`` needs
none).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

read = sa.MetaData(schema="read")

invoices = sa.Table(
    "invoices",
    read,
    sa.Column("invoice_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False, unique=True),
    sa.Column("run_id", sa.Uuid, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="invoice, credit_note"),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("payer", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("issued_on", sa.Date, nullable=False),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False, comment="cents, VAT included"),
    sa.Column("corrects", ARRAY(sa.Text), nullable=False),
    sa.Column("hash", sa.Text, nullable=False, comment="SHA-256 of the canonical JSON"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the canonical JSON, to the byte"),
    sa.UniqueConstraint("provider", "number", name="invoices_number"),
    sa.Index("invoices_payer", "payer", "position"),
    sa.Index("invoices_run", "run_id"),
)
invoice_lines = sa.Table(
    "invoice_lines",
    read,
    sa.Column("invoice_id", sa.Uuid, primary_key=True),
    sa.Column("line_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("payer", sa.Text, nullable=False),
    sa.Column("agreement", sa.Uuid, nullable=False),
    sa.Column("commissioner", sa.Text, nullable=False),
    sa.Column("month", sa.Text, nullable=False),
    sa.Column("item", sa.Text, nullable=False),
    sa.Column("vat_rate", sa.Text, nullable=False, comment="percent, empty for none"),
    sa.Column("exempt_reason", sa.Text, nullable=False),
    sa.Column("clause", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("price", sa.BigInteger, nullable=False, comment="ten-thousandths of a euro"),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False, comment="cents"),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False, comment="takes nothing back and has not been taken back"),
    sa.Column("reverses_number", sa.Text),
    sa.Column("reverses_line", sa.Integer),
    sa.Index("invoice_lines_month", "provider", "month"),
    sa.Index("invoice_lines_number", "provider", "number", "line_no"),
)
runs = sa.Table(
    "runs",
    read,
    sa.Column("run_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("opens", sa.Text, nullable=False, comment="first month of the provider's fixed fees"),
    sa.Column("recorded", sa.DateTime(timezone=True), nullable=False),
    sa.Column("cut_off_diary", sa.BigInteger, nullable=False),
    sa.Column("cut_off_agreements", sa.BigInteger, nullable=False),
    sa.Column("numbers", ARRAY(sa.Text), nullable=False),
    sa.Column("unbilled", JSONB, nullable=False),
    sa.Index("runs_provider", "provider", "position"),
)
