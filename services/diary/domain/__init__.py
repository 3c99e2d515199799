"""The rules of the counter, pure: no I/O and no clock. Read ``codes``, ``register``, ``entries``, ``visits``,
``documents``."""
