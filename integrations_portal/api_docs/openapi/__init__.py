"""The OpenAPI 3.1 document of the public API (https://spec.openapis.org/oas/v3.1.1), generated from the routes.

Every view declares its ``operations``; the common checks and their errors are the same for all. Why schemas are not
inferred from serializers: docs/adr/0012.
"""
