"""Real processes of services, killed and started."""
