"The widgets of the course, a module a widget."
