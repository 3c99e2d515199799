"""What tests share: migrated databases, real processes, and a record of what was not proven."""
