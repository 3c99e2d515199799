"""Pages in a browser: keyboard and accessibility."""
