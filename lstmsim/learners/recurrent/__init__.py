"""Conventional recurrent nets, and what the rules that train them share."""
