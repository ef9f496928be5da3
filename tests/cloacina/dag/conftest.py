from hypothesis import settings

# How long an example takes on a busy machine says nothing about the code.
settings.register_profile("busy-machine", deadline=None)
settings.load_profile("busy-machine")
