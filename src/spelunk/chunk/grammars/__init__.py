"""Grammar tables: one module for each family of languages, loaded when one of its languages is met."""
