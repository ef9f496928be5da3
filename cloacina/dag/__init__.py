"""The rules of execution as pure functions: no I/O, no clock, no database.

`graph` holds a workflow's tasks, `rules` decides whether a task runs, `context` merges what tasks
hand on, `retry` says how long to wait, `states` names the states, and `settle` tells what a task's
end does to the tasks that wait for it.
"""
