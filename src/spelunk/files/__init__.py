"""Files of a workspace: walking, ignore rules, reading, languages."""
