"""The pages for developers under ``/docs/``: for everybody, and with the reader's own organization where they have one."""
