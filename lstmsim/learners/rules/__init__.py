"""A conventional net learning on-line by one of many rules, each one file of what differs."""
