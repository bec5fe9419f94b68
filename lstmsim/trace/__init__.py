"""Traces: what is recorded, how it is written, how it is opened."""
