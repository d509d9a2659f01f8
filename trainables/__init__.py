"""The trials: protocol, GAN training, scores, games; nothing here knows of studies."""
