"""Bad input over a raw connection: each answer is a refusal that explains itself, or an answer."""
