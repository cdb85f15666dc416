"""`personal`: what the record says."""


def test_personal_heads_are_told_from_the_record_and_another_networks_record_is_warned_of(call, monkeypatch):
    from emotion_detection.studies import personal_simulation

    code, said, warned = call("personal")
    assert code == 0 and "Users who record all seven" in said and "PublicTest" in said
    assert personal_simulation.is_of_shipped(personal_simulation.load()) is ("Warning" not in warned)
    monkeypatch.setattr(personal_simulation, "is_of_shipped", lambda record: False)
    assert "another network's record" in call("personal")[2]
