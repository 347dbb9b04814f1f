"""Virtual machines for the tests and the demo: build an image, boot it, talk to the guest."""
