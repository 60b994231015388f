"""The pages of the authorization server, for people: sign-in, choice of a patient, consent, launch of apps."""
