"""The HTTP server: an API over the indexes of some workspaces, and the web page that uses it."""
