"""What a workflow's author imports: tasks, their context, their rules and their retries.

It needs the standard library only, and nothing of the server can be reached through it.
"""

from cloaca.context import Context
from cloaca.handle import TaskHandle
from cloaca.namespace import TaskNamespace, WorkflowContext
from cloaca.params import workflow_params, workflow_secrets
from cloaca.retry import BackoffStrategy, RetryCondition, RetryPolicy, RetryPolicyBuilder
from cloaca.rules import (
    all_of,
    always,
    any_of,
    context_value,
    none_of,
    task_failed,
    task_skipped,
    task_success,
)
from cloaca.tasks import task
from cloaca.triggers import TriggerResult, trigger
from cloaca.variables import var, var_or
from cloaca.workflow import Workflow, WorkflowBuilder

__all__ = [
    "BackoffStrategy",
    "Context",
    "RetryCondition",
    "RetryPolicy",
    "RetryPolicyBuilder",
    "TaskHandle",
    "TaskNamespace",
    "TriggerResult",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowContext",
    "all_of",
    "always",
    "any_of",
    "context_value",
    "none_of",
    "task",
    "task_failed",
    "task_skipped",
    "task_success",
    "trigger",
    "var",
    "var_or",
    "workflow_params",
    "workflow_secrets",
]
