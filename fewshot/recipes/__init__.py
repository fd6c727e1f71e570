"""One function a journey, and the one table of methods: the only room where neighbours meet."""
