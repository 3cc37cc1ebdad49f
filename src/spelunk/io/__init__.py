"""Small helpers around files, locks and terminals."""
