"""`train` and `sweep`: what is trained, what is not, and what an interruption says."""


def test_training_what_is_recorded_says_so_and_trains_nothing(recorded, call):
    code, out, _ = call("train", "tl_top")
    assert code == 0
    assert "--retrain" in out


def test_an_interrupted_training_says_how_to_go_on(isolated, call, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("emotion_detection.training.trainer.train", interrupted)
    monkeypatch.setattr("emotion_detection.data.selection.load_fer2013", lambda: None)
    code, _, err = call("train", "tl_top", "--seed", "3")
    assert code == 130
    assert "the same command goes on" in err


def test_sweep_trains_nothing_that_is_recorded(recorded, call):
    code, out, _ = call("sweep", "tl_top")
    assert code == 0
    assert "1 of 1 runs are recorded" in out


def test_sweep_asks_for_a_list_of_seeds(isolated, call):
    code, _, err = call("sweep", "tl_top", "--seeds", "0;1")
    assert code == 2
    assert "write them as 0,1,2" in err


def test_a_sweep_with_a_failure_tells_it_and_ends_with_1(isolated, call, monkeypatch):
    from emotion_detection.data import selection
    from emotion_detection.training import sweep

    monkeypatch.setattr(selection, "load_fer2013", lambda: None)
    monkeypatch.setattr(sweep, "_trained", lambda job, dataset: f"{job.name} broke.")
    code, out, err = call("sweep", "tl_top", "--seeds", "0,1")
    assert code == 1
    assert "Failed: tl_top-s1: tl_top-s1 broke." in err
    assert "0 of 2 runs are recorded" in out


def test_an_interrupted_sweep_says_what_is_recorded_and_goes_on(recorded, call, monkeypatch):
    from emotion_detection.data import selection
    from emotion_detection.training import sweep

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(selection, "load_fer2013", lambda: None)
    monkeypatch.setattr(sweep, "_trained", interrupted)
    code, _, err = call("sweep", "tl_top", "--seeds", "0,1")
    assert code == 130
    assert "Recorded: 1 of 2 (tl_top-s0)" in err
    assert "the same command goes on" in err
