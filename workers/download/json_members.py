"""Reading parsed JSON of which nothing is promised."""


def child(value: object, *names: str) -> object:
    """What is at the end of a path of members, None where one is missing or no object."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
