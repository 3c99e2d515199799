"""A service on real PostgreSQL and a real broker."""
