"""Counts what answers cost."""
