"""Rows with their predictions: added columns, writers, files that are made in parts; no torch here."""
