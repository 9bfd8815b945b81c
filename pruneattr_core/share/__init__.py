"""Out of the server: the app's own views as one HTML file and as notebook widgets."""
