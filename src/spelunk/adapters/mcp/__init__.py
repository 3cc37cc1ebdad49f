"""The Model Context Protocol: a thin process for each client, in front of one server for each user."""
