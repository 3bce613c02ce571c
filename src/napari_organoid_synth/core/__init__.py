"""The backend that the window and the command line share; it knows neither of them."""
