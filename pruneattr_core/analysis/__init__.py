"""What paths are like: overlap, dead neurons, local linearity, decoding (SCP section 2.4)."""
