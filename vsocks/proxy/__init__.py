"""What clients speak before their bytes flow: bytes in, events out."""
