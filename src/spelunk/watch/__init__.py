"""Watch workspaces: events of the file system become updates of their indexes."""
