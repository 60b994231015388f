"""The same requests get the same answers from a file and from a MongoDB: status, headers, bytes, and what is logged."""
