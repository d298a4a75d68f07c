"""The tags of the document: which operations have which, and what each stands for."""

# First path segment: its tag, and the prefix of the ids below it.
TAGS = {
    "me": ("Account", ""),
    "users": ("Users", "user"),
    "invitations": ("Invitations", "inv"),
    "api-keys": ("API keys", "key"),
    "leaked-keys": ("API keys", ""),
    "descendants": ("API keys", ""),
    "usage": ("Usage", ""),
    "webhook-endpoints": ("Webhook endpoints", "ep"),
    "event-types": ("Event types", ""),
    "events": ("Events", "evt"),
    "deliveries": ("Deliveries", "dlv"),
    "replays": ("Replays", "rpl"),
    "sdk-keys": ("SDK keys", "sdk"),
    "sdk": ("Apps", "act"),
    "audit-log": ("Audit log", ""),
}
TAG_DESCRIPTIONS = {
    "Account": "The calling key and its organization.",
    "Users": "The members of the organization.",
    "Invitations": "Invitations to the organization.",
    "API keys": "The keys of the organization's programs.",
    "Usage": "Figures about the calls of the API.",
    "Webhook endpoints": "Where the organization receives events.",
    "Event types": "The catalogue of events.",
    "Events": "What was published.",
    "Deliveries": "The delivery of events to endpoints, with every attempt.",
    "Replays": "Events that are sent again to an endpoint.",
    "SDK keys": "The keys of mobile and web apps, and their devices.",
    "Apps": "What an app does with an SDK key.",
    "Audit log": "Who did what, and when.",
    "Webhooks": "The requests that endpoints receive.",
}
