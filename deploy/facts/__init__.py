"""The scripts that made the tables of plain facts which the services use. Sources and licences: README.md."""
