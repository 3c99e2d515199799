"""Event schemas and the minimal shapes of HTTP answers."""
