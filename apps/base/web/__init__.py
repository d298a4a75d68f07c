"""Building blocks of the HTML pages: middleware, forms, sessions, downloads; and what every web process shares."""
