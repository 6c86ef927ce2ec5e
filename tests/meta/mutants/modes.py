"""Mutants of modes and threads: grad mode, inference mode, anomaly mode, and of errors that pass through."""

from .copies import mutant

_RESTORE = "    ) -> None:\n        set_grad_mode(self.previous)\n"

MUTANTS = (
    # --- grad mode ---
    mutant(
        "no_grad_records",
        "no_grad has no effect.",
        "grad-modes/no-grad-records-nothing",
        (
            "grad_mode.py",
            "        self.previous = is_grad_enabled()\n        set_grad_mode(self.wanted)\n",
            "        self.previous = is_grad_enabled()\n",
        ),
    ),
    mutant(
        "exceptions_leave_the_mode",
        "A mode does not restore the one before it when its block ends by an exception.",
        "grad-modes/restored-after-an-exception",
        (
            "grad_mode.py",
            _RESTORE,
            "    ) -> None:\n        if kind is None:\n            set_grad_mode(self.previous)\n",
        ),
    ),
    mutant(
        "leaving_a_mode_enables_grad",
        "The end of a mode switches grad mode on, whatever was around it.",
        "grad-modes/nested-modes-restore-step-by-step",
        ("grad_mode.py", _RESTORE, "    ) -> None:\n        set_grad_mode(True)\n"),
    ),
    mutant(
        "decorators_do_nothing",
        "A function that is decorated with a mode runs in the mode of its caller.",
        "grad-modes/decorators",
        (
            "grad_mode.py",
            "        with self.clone():\n            return function(*args, **kwargs)\n",
            "        return function(*args, **kwargs)\n",
        ),
    ),
    mutant(
        "generators_leave_their_mode",
        "Only the first step of a decorated generator runs in the mode.",
        "grad-modes/generators",
        (
            "grad_mode.py",
            "                    with make():\n                        response = body.send(request)\n",
            "                    response = body.send(request)\n",
        ),
    ),
    mutant(
        "calls_do_not_set_the_mode",
        "set_grad_enabled acts as a block, and not when it is called.",
        "grad-modes/plain-call",
        (
            "grad_mode.py",
            "        self.wanted = mode\n        set_grad_mode(mode)\n",
            "        self.wanted = mode\n",
        ),
    ),
    mutant(
        "failed_backward_leaves_its_mode",
        "A backward that raises leaves grad mode as it was inside.",
        "grad-modes/failed-backward-leaves-the-mode-alone",
        (
            "backward.py",
            "    finally:\n        state.",
            "    except ImportError:\n        raise\n    else:\n        state.",
        ),
    ),
    mutant(
        "mode_of_the_caller_in_backward",
        "Hooks run in the grad mode of whoever called backward.",
        "grad-modes/mode-during-backward",
        ("backward.py", '"enabled"] = graph\n', '"enabled"] = graph or mode.enabled\n'),
    ),
    # --- inference mode ---
    mutant(
        "inference_mode_is_no_grad",
        "inference_mode is no more than no_grad.",
        "inference-mode/results-are-inference-tensors",
        (
            "inference_mode.py",
            "mode.inference, mode.enabled, mode.asked = self.wanted, not self.wanted, False",
            "mode.inference, mode.enabled, mode.asked = False, not self.wanted, False",
        ),
    ),
    mutant(
        "inference_tensors_are_saved",
        "An inference tensor can be saved for backward.",
        "inference-mode/cannot-be-saved",
        ("node.py", "        if counter is UNCOUNTED:\n", "        if False:\n"),
    ),
    mutant(
        "inference_tensors_are_written_to",
        "An inference tensor can be written to outside of the mode.",
        "inference-mode/in-place-outside",
        ("versions.py", "        if not mode.inference:\n", "        if False:\n"),
    ),
    mutant(
        "enable_grad_ends_inference",
        "enable_grad inside inference_mode records.",
        "inference-mode/grad-mode-inside-changes-nothing",
        (
            "grad_mode.py",
            "    if mode.inference:\n        mode.asked = enabled\n",
            "    if mode.inference:\n        mode.asked = mode.enabled = enabled\n",
        ),
    ),
    # --- threads ---
    mutant(
        "threads_share_their_mode",
        "Grad mode belongs to the process.",
        "threads/have-their-own-mode",
        ("grad_mode.py", "class _Mode(threading.local):", "class _Mode:"),
    ),
    mutant(
        "threads_share_hooks_for_saved_tensors",
        "Hooks for saved tensors act on all threads.",
        "threads/have-their-own-inference-mode-and-saved-tensor-hooks",
        ("saved.py", "class _State(threading.local):", "class _State:"),
    ),
    mutant(
        "accumulation_races",
        "Threads that accumulate into one leaf overwrite each other's sums.",
        "threads/accumulate-into-one-leaf",
        (
            "accumulate.py",
            "_LOCKS = tuple(threading.RLock() for _ in range(64))",
            "_LOCKS = tuple(threading.Semaphore(64) for _ in range(64))",
        ),
        (
            "accumulate.py",
            (
                "                have._data.add_(grad)\n"
                "                bump(have)\n"
                "            elif getrefcount(grad) > owners or"
            ),
            (
                "                total = have._data + grad\n"
                "                __import__('time').sleep(0.01)\n"
                "                have._data.copy_(total)\n"
                "            elif getrefcount(grad) > owners or"
            ),
        ),
    ),
    # --- anomaly mode ---
    mutant(
        "nan_passes",
        "In anomaly mode nan in a gradient is no error.",
        "anomaly/nan-is-an-error",
        ("anomaly.py", "            _check(node, grads, graph)\n", "            pass\n"),
    ),
    mutant(
        "anomalies_are_silent",
        "A node that fails in anomaly mode does not warn.",
        "anomaly/traceback-of-a-failing-node",
        ("anomaly.py", "        _warn(node)\n        raise\n", "        raise\n"),
    ),
    mutant(
        "anomaly_mode_stays",
        "Anomaly mode goes on after an exception in its block.",
        "anomaly/after-an-exception",
        (
            "anomaly.py",
            "        set_anomaly_enabled(*self.before)\n",
            "        if kind is None:\n            set_anomaly_enabled(*self.before)\n",
        ),
    ),
    # --- errors ---
    mutant(
        "wraps_exceptions_of_hooks",
        "An exception of the user's code in backward comes out as a RuntimeError.",
        "errors/class-of-an-exception-in-backward",
        (
            "backward.py",
            "    finally:\n        state.",
            (
                "    except Exception as error:\n"
                "        raise RuntimeError(str(error)) from error\n"
                "    finally:\n"
                "        state."
            ),
        ),
    ),
)
