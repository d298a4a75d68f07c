"""The OpenAPI 3.1 document of the public API (https://spec.openapis.org/oas/v3.1.1), made from the routes themselves.

Every view says what it needs (``requires``) and what it takes and answers (``operations``); the checks of the entry
point and the errors that they end in are the same for all. Why no schema is guessed from serializers: docs/adr/0012.
"""
