"""Benchmarks and kills under load."""
