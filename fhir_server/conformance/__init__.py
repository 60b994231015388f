"""What the loaded definitions say: types, search parameters, compartments, validation, capability."""
