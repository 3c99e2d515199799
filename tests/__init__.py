"""Tests of Apudiaari, by what they need and prove."""
