"""What a caller may not see makes no difference to any answer: the property, its requests, and its mutants."""
