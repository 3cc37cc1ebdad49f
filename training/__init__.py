"""What makes the built-in embedding table; nothing here ships in the package."""
