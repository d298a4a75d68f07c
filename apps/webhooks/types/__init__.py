"""Event types: the built-in ones, the catalogue in the database, schemas and scopes."""
