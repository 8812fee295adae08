from jtdiag.engine import wording


def test_what_was_converted_or_left_out_of_a_folder_is_counted():
    assert wording.converted(1, "palette") == "1 image converted to RGB (palette)"
    assert wording.converted(2, "CMYK") == "2 images converted to RGB (CMYK)"
    assert wording.converted(2, "16 bits") == "2 images with 16 bits divided by 65,535"
    assert wording.converted(2, "transparency") == "2 images with transparency put on white"
    assert wording.converted(3, "grayscale") == "3 images converted to RGB (grayscale)"
    assert wording.converted(2, "colors of 16 bits") == (
        "2 images with colors of 16 bits, of which 8 are kept"
    )
    assert wording.converted(1, "frames") == (
        "1 image with several frames, of which the first is read"
    )
    assert wording.converted(1, "orientation") == (
        "1 image turned upright by the orientation in the file"
    )
    assert wording.left_out(1, "train/a.txt") == "1 file or folder left out, such as train/a.txt"
    assert wording.left_out(3, "a") == "3 files or folders left out, such as a"


def test_arrays_that_are_not_used_are_named():
    assert wording.other_arrays(["x_val"]) == "1 array not used: x_val"
    assert wording.other_arrays(["a", "b"]) == "2 arrays not used: a, b"
    assert len(wording.other_arrays(["a" * 500])) < 120


def test_classes_without_examples_are_named():
    assert wording.without_examples(9, ["cat"]) == (
        "1 class has no examples among the first 9 training examples (cat)"
    )
    assert wording.without_examples(10, ["cat", "dog"]) == (
        "2 classes have no examples among the first 10 training examples (cat, dog)"
    )


def test_different_units_of_the_parts_are_stated_with_what_was_compared():
    assert wording.different_units(8, 10, 10, 20, images=False) == (
        "in 8 of 10 features, x_test has a mean more than 10 standard deviations from that of "
        "x_train, or a spread more than 20 times larger or smaller; check that both parts are "
        "scaled alike"
    )
    assert wording.different_units(1, 3, 10, 20, images=True).startswith("in 1 of 3 channels, ")


def test_what_cannot_be_trained_is_refused_with_a_remedy():
    assert wording.other_buffer("seen", (0, 6), (16, 6)) == (
        "its buffer 'seen' changes from shape (0, 6) to (16, 6); a buffer keeps its shape"
    )
    assert wording.unequal_members("a.weight", "float32 (4, 6) to be trained", "missing") == (
        "the modules that it creates differ: 'a.weight' is float32 (4, 6) to be trained in one and "
        "missing in another; all members must have the same parameters and buffers."
    )
    assert wording.wrapped("DataParallel", "its .module") == (
        "it returned a DataParallel, of which members cannot be made; return its .module."
    )
    assert wording.unusable_name("a/b", ("lam", "trial")) == (
        "its parameter or buffer 'a/b' cannot be stored under this name; use letters, digits and "
        "underscores, and none of lam, trial."
    )
    assert wording.sparse_gradient("e.weight") == (
        "the gradient of 'e.weight' is sparse; set sparse=False in the layer"
    )
    assert wording.not_numbers("int64", "strided") == (
        "its output is a tensor of int64 (strided); it must be a dense tensor in floating point"
    )


def test_a_module_that_differs_from_its_parameters_is_refused():
    assert wording.outside_state("in training mode", "their logits") == (
        "two of its modules with the same parameters and buffers differ in training mode in their "
        "logits. Something else takes part: a tensor that is not registered (use "
        "register_buffer), a counter in Python, a layer chosen at random, or random numbers that "
        "are not torch's."
    )
    assert wording.other_gradients() == (
        "its gradients are not those of its parameters, as with torch.utils.checkpoint, which "
        "cannot be used here. Remove it; engine.micro_members saves memory in the same way."
    )
    assert wording.changed_since("a", (2, 5), None) == (
        "its modules differ from those of the run: 'a' has shape (2, 5) now and is missing in the "
        "run. Restore the function with which the run was trained."
    )


def test_what_is_unusual_is_pointed_out():
    assert wording.identical(3) == (
        "all 3 begin with the same weights and stay identical unless training is random for each "
        "(dropout, bagging); if members.factory sets a seed, remove it: train seeds torch before "
        "the members are created"
    )
    assert wording.probabilities() == (
        "outputs are not negative and sum to 1, like probabilities, but are taken for logits; "
        "remove the softmax from the module"
    )
    assert wording.random_in_evaluation() == (
        "outputs in evaluation mode are random, so probes that compute them again do not reproduce "
        "stored ones; draw random numbers in training mode only"
    )
    assert wording.depends_on_batch() == (
        "outputs in evaluation mode depend on the other examples of a batch, so they change with "
        "its size; use running statistics in evaluation mode"
    )


def test_modules_are_listed_with_their_parameters():
    listed = [("layer1", 8320, 40), ("head", 1290, 1)]
    assert wording.modules(listed, "proxy", 0) == (
        "2 modules, credit proxy: layer1 (8,320 parameters, 40 epochs), "
        "head (1,290 parameters, 1 epoch)"
    )
    listed = [("layer1", 8320, 0), ("head", 1290, 0)]
    assert wording.modules(listed, "local", 1290) == (
        "2 modules, credit local: layer1 (8,320 parameters), head (1,290 parameters); "
        "1,290 parameters are learned beside each member"
    )


def test_a_proxy_with_too_few_features_is_said_with_the_best_alignment():
    assert wording.narrow_proxy("layer2", 8, 10, 0.8944) == (
        "layer2 has 8 features for 10 classes, which cannot all be orthogonal: the alignment with "
        "the ideal kernel is at most 0.89 for classes of equal size"
    )
    assert wording.narrow_proxy("layer1", 1, 2, 0.7071).startswith("layer1 has 1 feature for 2")


def test_parts_that_are_not_the_forward_pass_are_named():
    after = (
        " parts that are not its forward pass when they are computed one after the other, so it "
        "cannot be cut into modules; correct `parts`, or omit [modules]."
    )
    expected = f"members.factory is 'net.py:make', whose module has{after}"
    assert wording.parts_differ("net.py:make") == expected
    assert wording.parts_differ("") == f"The module has{after}"


def test_members_that_need_each_other_but_do_not_fit_are_refused():
    assert wording.members_at_a_time(4, 16) == (
        "modules.lam is 'every', which needs all 16 members at a time, but only 4 fit in memory; "
        "use modules.lam = 'head', smaller batches, or set engine.micro_members = 16."
    )


def test_an_interruption_says_what_is_saved_and_how_to_resume():
    assert wording.stopping(7.5) == (
        "Stopping: the running epoch is finished if that takes at most 7.5 s. "
        "Press Ctrl-C again to stop at once."
    )
    assert wording.interrupted("jtdiag train runs/demo --resume") == (
        "Interrupted. All completed epochs are saved; resume with: jtdiag train runs/demo --resume"
    )
    assert wording.interrupted("jtdiag study a", started=False) == (
        "Interrupted before anything was written. The same command starts again."
    )
