"""Alembic's entry: everything is the chassis's."""

from services.chassis.migrate import run_env

run_env()
