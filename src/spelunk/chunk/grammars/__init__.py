"""Grammar tables: which nodes of a tree are definitions, by language."""
