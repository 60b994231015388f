"""Sign-in by identity providers elsewhere: OpenID Connect, and what their claims mean here."""
