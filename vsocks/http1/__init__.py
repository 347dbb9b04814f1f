"""HTTP/1.1 messages as a proxy sees them: heads, bodies, and what a proxy changes. Pure."""
