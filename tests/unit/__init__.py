"""Pure rules, and the development parts by themselves."""
