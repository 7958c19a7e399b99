"""The one error that a user is meant to read."""


class UserError(ValueError):
    """Something the user can mend: the message is one line that says what is wrong and what to do."""
