"""The heads of requests and responses."""


class RequestHead:
    """To come."""
