"""None yet."""

from spelunk.chunk.relation_tables._table import RelationTable

TABLES: dict[str, RelationTable] = {}
