"""Critical paths judged as circuits: what the network answers when the rest is replaced, not silenced."""
