"""Metrics of the relay."""

from prometheus_client import Counter, Gauge

PUBLISHED = Counter("apudiaari_relay_published", "Records acknowledged by the broker, repeats and seals included")
TERMS = Counter("apudiaari_relay_terms", "Times the relay started over with new clients")
LAG = Gauge(
    "apudiaari_relay_lag_seconds",
    "Since all that was recorded was last known to be published; about 1 when all is well, and 0 where another leads",
)
LEADER = Gauge("apudiaari_relay_leader", "1 while this process leads")
SEALED = Gauge("apudiaari_relay_sealed_position", "Log position of the last seal")
