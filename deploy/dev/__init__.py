"""The real parts that run beneath Apudiaari on one machine: database, broker, issuers, supervisor."""
