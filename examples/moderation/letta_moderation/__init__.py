"""Stops an answer at the first sentence that is not allowed."""
