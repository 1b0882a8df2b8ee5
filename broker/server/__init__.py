"""The trio shell of a broker: listeners, dispatch, handlers, and the drivers of controller and groups."""
