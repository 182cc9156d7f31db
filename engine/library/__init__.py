"""What `engine init` copies: the reference company's definitions, and a made-up CRM to try them on."""

# What `engine init --library` may be told, and the tag that it means.
PARTS = {"renewals": "renewal", "payments": "payment", "onboarding": "onboarding", "zones": "zone-alerts", "reviews": "review", "news": "news"}
