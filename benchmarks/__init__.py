"""Programs that measure the portal and what it is compared with; they are not part of the product."""
