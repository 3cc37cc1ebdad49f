"""Installation into coding agents: which files each client reads, and edits that touch no other byte."""
