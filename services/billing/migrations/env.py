"""Alembic's entrance; see :mod:`services.chassis.migrate`."""

from services.chassis.migrate import run_env

run_env()
