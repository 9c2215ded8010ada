"""Layers made quick: attention without padding, cheap dropout, packed and int8 products, touched rows."""
