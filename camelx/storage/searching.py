"""From what somebody typed to a query of the index of words, in either database.

Whatever is typed is words to look for, never the syntax of a search engine.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, cast, func, literal_column
from sqlalchemy.dialects.postgresql import TSQUERY

from camelx.errors import ConfigError
from camelx.schemas import InteractionFilter
from camelx.storage.tables import storable

_TERM = re.compile(r'"([^"]*)"?|([^"\s]+)')
_MAX_TERMS = 16
_SPACES = str.maketrans(string.punctuation, " " * len(string.punctuation))
"""As the migration does it to texts."""
_WORDS: Any = literal_column("words")
_SIMPLE: Any = literal_column("'simple'::regconfig")
_FACETS = {
    "cycle_id": "c",
    "stage": "t",
    "role": "r",
    "agent": "a",
    "model": "m",
    "goal_id": "g",
    "status": "s",
}


def terms_of(text: str) -> list[str]:
    """Return what is looked for, each a word or several that stand together.

    Raises:
        ConfigError: There is no word in it, or more than can be looked for at once.
    """
    found = [quoted or word for quoted, word in _TERM.findall(storable(text))]
    terms = [" ".join(term.translate(_SPACES).split()) for term in found]
    terms = [term for term in terms if any(character.isalnum() for character in term)]
    if not terms:
        raise ConfigError(f"the search text {text!r} has no word or number that could be looked for")
    if len(terms) > _MAX_TERMS:
        raise ConfigError(f"the search text has {len(terms)} words, expected at most {_MAX_TERMS}")
    return terms


def is_one_word(text: str) -> bool:
    """Whether a single word is looked for.

    Raises:
        ConfigError: There is no word in the text.
    """
    terms = terms_of(text)
    return len(terms) == 1 and " " not in terms[0]


def sqlite_match(text: str, wanted: InteractionFilter) -> str:
    """Return the FTS5 query of the words and of the filters, which stand beside them in the index.

    Raises:
        ConfigError: There is no word in the text.
    """
    words = " AND ".join(f'"{term}"' for term in terms_of(text))
    values = ((mark, getattr(wanted, name)) for name, mark in _FACETS.items())
    facets = " AND ".join(
        f'"{mark}{storable(value).encode().hex()}"' for mark, value in values if value is not None
    )
    return f"body : ({words})" + (f" AND facets : ({facets})" if facets else "")


def postgresql_match(text: str, wanted: InteractionFilter) -> ColumnElement[bool]:
    """Return the condition of the words and of the filters on `interaction_words.words`.

    Raises:
        ConfigError: There is no word in the text.
    """
    words = (condition for term in terms_of(text) for condition in _postgresql_term(term))
    values = ((name, getattr(wanted, name)) for name in _FACETS)
    facets = (postgresql_facet(name, [value]) for name, value in values if value is not None)
    return and_(*facets, *words)


def _postgresql_term(term: str) -> Iterator[ColumnElement[bool]]:
    """Yield what finds a word or a phrase by the index.

    The index knows words, and which two stand together: rows that have all of these are few, and only they
    are read to see the phrase. "IS true" hides that from the planner, which would ask the index for it.
    """
    phrase = func.phraseto_tsquery(_SIMPLE, term)
    if " " not in term:
        yield _WORDS.op("@@")(phrase)
        return
    yield _WORDS.op("@@")(func.plainto_tsquery(_SIMPLE, term))
    neighbours = func.camelx_neighbours(func.to_tsvector(_SIMPLE, term))
    yield func.camelx_neighbours(_WORDS).op("@>")(neighbours)
    yield _WORDS.op("@@")(phrase).is_(True)


def postgresql_facet(name: str, values: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that what a row is filtered by is one of the values."""
    marked = (
        f"'={_FACETS[name]}{hashlib.md5(storable(value).encode(), usedforsecurity=False).hexdigest()}'"
        for value in values
    )
    condition: ColumnElement[bool] = _WORDS.op("@@")(cast(" | ".join(marked), TSQUERY))
    return condition
