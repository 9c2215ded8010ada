"""A pretrained model: hub, trust, loading; and layers made quick."""
