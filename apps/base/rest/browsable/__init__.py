"""The browsable API: the answers of ``/v1`` as pages for somebody signed in, with a form for each operation."""
