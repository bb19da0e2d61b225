"""What can go wrong here that a user can put right."""


class KafkaToolError(Exception):
    """One line for the user: what is wrong, and the remedy."""
