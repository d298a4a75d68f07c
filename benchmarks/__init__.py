"""Commands that measure the portal, beside what it is compared with. No part of the product."""
