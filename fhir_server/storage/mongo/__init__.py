"""The store on MongoDB: a replica set or a sharded cluster, through PyMongo's native async API."""
