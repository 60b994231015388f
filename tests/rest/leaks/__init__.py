"""The leak catalogue: one attack for each way in which other servers have told what they hide."""
