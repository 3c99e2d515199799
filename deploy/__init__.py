"""How Apudiaari is run: development parts, production manifests. No service imports this package."""
