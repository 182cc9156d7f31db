"""What `engine init` copies: the reference company's definitions, and a made-up CRM to try them on."""
