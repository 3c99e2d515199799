"""Plain facts that several services read: tables in the package, loaded once. They are data, not decisions."""
