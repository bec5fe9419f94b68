"""Runs of many trials: what is left to do, folder, threads, cluster, progress."""
