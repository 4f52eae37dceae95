"""Benchmarks: that they work, never how fast anything is."""
