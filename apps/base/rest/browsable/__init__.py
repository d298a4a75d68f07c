"""The browsable API: the responses of ``/v1`` as pages for members, with a form for each operation."""
