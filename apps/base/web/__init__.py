"""Building blocks of the HTML pages: middleware, forms, sessions, downloads."""
