"""Servers for agents: tools over the Model Context Protocol, and their installation into clients."""
