"""Event types: the built-in ones, those of the database, their schemas and scopes."""
