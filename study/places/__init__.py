"""The places of things: the home, its folders, and the URLs of its stores."""
