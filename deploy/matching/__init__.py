"""Matching files: reading and writing them, progress, and the export to an engine for larger ones."""
