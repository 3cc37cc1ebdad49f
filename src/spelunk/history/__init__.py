"""The commits behind a workspace's files: an index of their messages, and what they say of files."""
