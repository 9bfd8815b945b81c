"""The page Path decoding: pictures that excite the neurons of a path."""
