"""Recurrent cascade-correlation."""
