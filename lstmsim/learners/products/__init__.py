"""Recurrent nets whose sources are products of an activation and an input: first and second order, with or without leaks."""
