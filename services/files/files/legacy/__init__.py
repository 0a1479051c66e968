"""The legacy platform's documents: import and export. Deleted when no tenant is migrated any more."""
