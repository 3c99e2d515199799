"""Naive recomputations, one event at a time, that import nothing of what they check."""
