"""Seeded histories of crashes, duplicates and rebalances, judged by a naive recomputation."""
