"""The built-in authorization server: OAuth 2 and SMART App Launch, without pages and without HTTP."""
