"""Quality of search on labelled queries: ``spelunk eval``."""
