"""Published studies, each as one command: what is compared, with which recipes, and the page that comes out."""
