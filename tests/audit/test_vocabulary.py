"""Every action has one sentence."""

from types import SimpleNamespace

import pytest
from django.utils.translation import gettext_lazy, override

from apps.audit.action_labels import LABELS, grouped_labels, label_for
from apps.audit.vocabulary import SENTENCES, action, render_sentence, sentence_for

pytestmark = pytest.mark.pure


def entry(name: str, **values: object) -> SimpleNamespace:
    usual = {"actor_label": "Ada", "target_id": "key_x", "target_label": "Sync", "changes": {}}
    return SimpleNamespace(**{"action": name, **usual, **values})


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_every_sentence_can_be_written(name: str, language: str):
    with override(language):
        written = render_sentence(name, {"actor": "Ada", "target": "Sync"})
    assert "%(" not in written and ("Ada" in written or "Sync" in written)


def test_a_sentence_names_who_and_what():
    assert sentence_for(entry("api_key.revoked")) == "Ada revoked the API key Sync"
    assert sentence_for(entry("api_key.revoked", target_label="")) == "Ada revoked the API key key_x"


def test_a_sentence_may_say_from_what_to_what():
    changed = entry("member.role_changed", target_label="Dev", changes={"role": ["viewer", "admin"]})
    assert sentence_for(changed) == "Ada changed the role of Dev from viewer to admin"
    assert sentence_for(entry("member.role_changed", target_label="Dev")) == "Ada changed the role of Dev from – to –"


def test_an_unknown_action_reads_as_its_name():
    assert sentence_for(entry("thing.happened")) == "thing.happened"


def test_a_text_with_a_percent_sign_is_only_a_text():
    assert sentence_for(entry("api_key.revoked", actor_label="100 %(x)s")) == "100 %(x)s revoked the API key Sync"


@pytest.mark.parametrize("name", ["api_key.revoked", "Revoked", "api_key.", "a.b.c", "api key.revoked"])
def test_a_name_is_taken_once_and_well_formed(name: str):
    with pytest.raises(ValueError):
        action(name, gettext_lazy("x"))


def test_every_action_is_offered_in_words():
    offered = {name: text for _heading, actions in grouped_labels() for name, text in actions}
    assert set(offered) == set(SENTENCES)
    assert [name for name, text in offered.items() if not text or name in text or "%(" in text] == []
    assert set(LABELS) <= set(SENTENCES)


def test_an_action_without_words_is_called_by_its_sentence(monkeypatch):
    monkeypatch.delitem(LABELS, "api_key.revoked")
    assert label_for("api_key.revoked") == "… revoked the API key …"
