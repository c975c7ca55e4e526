"""Masks keys and tokens, also where they come in pieces."""
