"""Event types: the built-in ones, the catalogue in the database, their schemas and scopes."""
