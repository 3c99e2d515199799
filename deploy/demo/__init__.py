"""The demonstration: a synthetic national network and the story that plays on it. No service imports this package."""
