"""The pages for developers under ``/docs/``: open to everybody, with the reader's own organization."""
