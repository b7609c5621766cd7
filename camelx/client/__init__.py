"""A typed client of the server: HTTP with retries, WebSockets that reconnect. Knows none of its code."""
