"""Mutants of in-place writes: versions, refusals, and the histories of views and their bases."""

from .copies import mutant

MUTANTS = (
    # --- versions ---
    mutant(
        "ignores_versions",
        "Backward uses saved tensors though they were written to.",
        "in-place/saved-tensor-changed",
        ("node.py", "    if counter.value == expected:\n", "    if True:\n"),
    ),
    mutant(
        "keeps_a_copy_of_an_index",
        "A write to an index or a mask that indexing saved is not noticed.",
        "indexing/places-written-before-backward",
        ("indexing.py", "    places.append(index)\n", "    places.append(Tensor._of(index._data.clone()))\n"),
    ),
    mutant(
        "saves_the_places_of_a_mask",
        "Indexing by a mask looks for its places, and saves these.",
        "saved-tensors/masks-of-indices",
        (
            "indexing.py",
            "            _place(places, place, item)\n        dim,",
            (
                "                for index in item._data.nonzero(as_tuple=True):\n"
                "                    _place(places, place, Tensor._of(index))\n"
                "                    place += 1\n"
                "                narrow = 0\n"
                "            else:\n"
                "                _place(places, place, item)\n        dim,"
            ),
        ),
    ),
    mutant(
        "counts_no_writes",
        "A write does not raise the version.",
        "in-place/version-counts-writes",
        ("versions.py", "        self.value += 1\n", "        pass\n"),
    ),
    mutant(
        "does_not_note_the_version_of_a_written_result",
        "An in-place operation that saves its result takes its own write for somebody else's.",
        "in-place/same-gradient-as-out-of-place",
        ("inplace.py", '            note_version(recorded._node, "result", counter)\n', "            pass\n"),
    ),
    mutant(
        "saves_what_it_overwrites",
        "An in-place operation whose derivative needs the old value saves the new one.",
        "in-place/multiplied-by-itself",
        (
            "inplace.py",
            "tensor._data.clone() if operation.rule.tensors[0] in operation.rule.saves else tensor._data",
            "tensor._data",
        ),
    ),
    # --- histories ---
    mutant(
        "writes_are_not_recorded",
        "A write to a result leaves its history as it was.",
        "in-place/result-is-rewritten",
        (
            "views.py",
            "    if view is None:\n        _set_history(tensor, node)\n",
            "    if view is None:\n        pass\n",
        ),
    ),
    mutant(
        "bases_do_not_see_writes_to_views",
        "A write through a view is no part of the history of its base.",
        "views/write-through-a-view-is-recorded",
        ("views.py", "        _set_history(base, merged._node)\n", "        _set_history(tensor, node)\n"),
    ),
    mutant(
        "views_do_not_see_writes_to_their_base",
        "A view keeps its history when its base is written to.",
        "views/write-to-the-base-is-recorded-in-the-view",
        (
            "views.py",
            '    counter = cast("VersionCounter", tensor._counter)\n    if counter.views is not None:\n',
            '    counter = cast("VersionCounter", tensor._counter)\n    if False:\n',
        ),
    ),
    mutant(
        "views_have_their_own_version",
        "A view does not share the version of its base.",
        "views/versions-of-views",
        (
            "views.py",
            "    out._counter = counter = counter_of(source)\n    if counter is UNCOUNTED:\n",
            (
                "    counter = counter_of(source)\n"
                "    out._counter = counter if counter is UNCOUNTED else VersionCounter()\n"
                "    if counter is UNCOUNTED:\n"
            ),
        ),
    ),
    mutant(
        "views_of_views_have_views_for_bases",
        "The base of a view of a view is the view in between.",
        "views/root-of-every-view",
        ("views.py", "    if above is None:\n        base, path =", "    if True:\n        base, path ="),
    ),
    mutant(
        "no_grad_views_are_constants",
        "A view of a leaf that is made in no_grad does not require grad.",
        "views/no-grad-view-of-a-leaf",
        ("views.py", "        out._node = UNTRACKED\n", "        pass\n"),
    ),
    mutant(
        "tells_doubtful_histories",
        "A view from no_grad gets the history of its base once that is written to.",
        "views/no-grad-view-after-a-write",
        (
            "views.py",
            "    elif of.guard is None:\n        retake(view)\n",
            "    elif True:\n        retake(view)\n",
        ),
    ),
    # --- refusals ---
    mutant(
        "leaves_are_written_to",
        "A leaf that requires grad can be written to.",
        "in-place/leaf-is-refused",
        (
            "views.py",
            '        if tensor._node is LEAF:\n            raise RuntimeError("a leaf',
            '        if False:\n            raise RuntimeError("a leaf',
        ),
    ),
    mutant(
        "views_of_leaves_are_written_to",
        "A view of a leaf that requires grad can be written to.",
        "views/view-of-a-leaf-is-refused",
        ("views.py", "    if requires_grad and view.base.is_leaf:\n", "    if False:\n"),
    ),
    mutant(
        "no_grad_views_are_written_to",
        "A view that was made in no_grad can be written to in grad mode.",
        "views/view-made-in-no-grad-is-refused",
        (
            "views.py",
            "    guard = None if mode.enabled else IN_INFERENCE if mode.inference else IN_NO_GRAD\n",
            "    guard = None if mode.enabled or not mode.inference else IN_INFERENCE\n",
        ),
    ),
    mutant(
        "inference_views_are_written_to",
        "A view of a normal tensor that was taken in inference mode can be written to outside.",
        "inference-mode/view-of-a-normal-tensor",
        (
            "views.py",
            "    guard = None if mode.enabled else IN_INFERENCE if mode.inference else IN_NO_GRAD\n",
            "    guard = None if mode.enabled or mode.inference else IN_NO_GRAD\n",
        ),
    ),
    mutant(
        "parts_are_written_to",
        "The outputs of an operation that returns several views can be written to.",
        "views/several-views-at-once-are-refused",
        (
            "multiple.py",
            "            part._view = replace(view, guard=ONE_OF_SEVERAL)\n",
            "            pass\n",
        ),
    ),
    mutant(
        "views_are_detached_in_place",
        "detach_() of a view cuts it off.",
        "views/detach-in-place-of-a-view-is-refused",
        (
            "tensor.py",
            (
                "        if self._view is not None:\n"
                "            raise RuntimeError(\n"
                "                \"Can't detach"
            ),
            "        if False:\n            raise RuntimeError(\n                \"Can't detach",
        ),
    ),
    mutant(
        "allowed_mutation_keeps_no_copy",
        "allow_mutation_on_saved_tensors lets writes pass, and backward uses the new value.",
        "in-place/mutation-allowed",
        ("mutation.py", "Tensor._of(saved._data.clone())", "Tensor._of(saved._data)"),
    ),
)
