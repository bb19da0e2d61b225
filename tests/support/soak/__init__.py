"""Captures for a long time, under a changing load, while one random thing after another goes wrong."""
