import cloaca

NAMES = [
    "Context",
    "task",
    "TaskHandle",
    "TaskNamespace",
    "trigger",
    "TriggerResult",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowContext",
    "RetryPolicy",
    "RetryPolicyBuilder",
    "BackoffStrategy",
    "RetryCondition",
    "always",
    "all_of",
    "any_of",
    "none_of",
    "task_success",
    "task_failed",
    "task_skipped",
    "context_value",
    "workflow_params",
    "workflow_secrets",
    "var",
    "var_or",
]


def test_the_public_names_are_these():
    assert sorted(cloaca.__all__) == sorted(NAMES)


def test_every_public_name_is_there_and_documented():
    for name in NAMES:
        assert getattr(cloaca, name).__doc__, name
