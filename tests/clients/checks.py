"""A list of checks, run one after another: each is a function named after what must hold, and raises if it does not."""

import traceback


class Checks:
    def __init__(self):
        self._functions = []

    def add(self, function):
        """Decorator: appends a check. They run in the order in which they are written."""
        self._functions.append(function)
        return function

    def run(self, leg, subject):
        """Runs every check on `subject`, also after failures, and returns how many failed."""
        failed = 0
        for function in self._functions:
            name = function.__name__.replace("_", " ")
            try:
                function(subject)
                print(f"PASS {leg}: {name}")
            except Exception:
                failed += 1
                print(f"FAIL {leg}: {name}\n{traceback.format_exc()}", end="")
        print(f"{leg}: {len(self._functions) - failed} passed, {failed} failed", flush=True)
        return failed


def equal(actual, expected, what="value"):
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}, expected {expected!r}")


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def raises(error, action):
    """Calls `action` and returns the error of exactly this class that it must raise."""
    try:
        action()
    except Exception as caught:
        if type(caught) is error:
            return caught
        raise
    raise AssertionError(f"no {error.__name__} was raised")
