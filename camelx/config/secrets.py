"""What looks like a key in a config file's text: such a text is not saved, and is shown masked.

By the prefixes that providers give their keys, by the name of what a value is put under, and by passwords in
URLs. A key of another look under another name is not found: files name environment variables instead.
"""

from __future__ import annotations

import re

_PREFIXED = re.compile(
    r"(?<![\w-])(?:sk-|sk_|pk_|rk_|gsk_|hf_|ghp_|gho_|ghs_|github_pat_|glpat-|xai-|nvapi-|pplx-|r8_|fw_|"
    r"xox[abps]-|AKIA|ASIA|AIza|eyJ)[A-Za-z0-9_.\-]{12,}"
)
"""Keys of OpenAI, Anthropic, Stripe, Groq, Hugging Face, GitHub, GitLab, xAI, NVIDIA, Perplexity, Replicate,
Fireworks, Slack, AWS, Google, and JSON web tokens."""
_IN_URL = re.compile(r"(?<=://)[^\s/@:'\"]*:[^\s/@'\"]+(?=@)")
_NAMED = re.compile(
    r"(?im)(?<![\w-])((?:[\w-]*(?:api_?key|apikey|password|passwd|secret|access_?token|auth_?token|bearer)|"
    r"token|authorization)['\"]?[ \t]*[:=][ \t]*)(?![ \t]*(?:#|$|[|>][-+\d]*[ \t]*$|\*\*\*))[^\s#,}][^\n#,}]*"
)
MASK = "***"


def sounds_secret(name: str) -> bool:
    """Whether a value under this name is likely a secret itself."""
    return _NAMED.match(f"{name}: value") is not None or name.lower() in ("key", "token", "bearer")


def looks_like_key(value: str) -> bool:
    """Whether a value has the look of a key."""
    return _PREFIXED.search(value) is not None or _IN_URL.search(value) is not None


def masked(text: str) -> str:
    """Return the text with whatever looks like a key in it replaced by asterisks."""
    text = _NAMED.sub(lambda found: found[1] + MASK, text)
    return _IN_URL.sub(MASK, _PREFIXED.sub(MASK, text))


def secret_lines(text: str) -> list[int]:
    """Return the lines, from 1, that hold what looks like a key, in comments too."""
    lines = zip(text.splitlines(), masked(text).splitlines(), strict=True)
    return [number for number, (written, shown) in enumerate(lines, 1) if written != shown]
