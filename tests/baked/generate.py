#!/usr/bin/env python3
"""Writes the large documents in configs/, for the benches: keywords_100.yaml, policy.yaml, models_8.yaml and models_64.yaml.

To be run by hand after a change to it; what it writes is committed."""

from pathlib import Path

TOPICS = """urgent deadline invoice refund payment contract liability lawsuit compliance audit privacy password credential
login security firewall malware phishing encryption kubernetes docker container cluster deployment pipeline rollback
incident outage latency throughput database postgres sqlite migration index query transaction javascript typescript
python golang compiler function variable pointer refactor debug stacktrace exception algorithm complexity recursion
matrix vector tensor gradient neural transformer embedding translate french german spanish japanese summarize abstract
bibliography citation essay poem story novel medical diagnosis symptom therapy dosage vaccine allergy surgery travel
flight hotel itinerary passport visa weather forecast recipe ingredient calorie protein marketing campaign revenue
budget tax dividend portfolio mortgage insurance""".split()[:100]

HEAD = "# Written by generate.py. Do not edit.\nversion: v0.3\n\nproviders:\n"


def keywords() -> str:
    assert len(TOPICS) == 100
    text = HEAD + "  defaults: {default_model: small}\n  models:\n"
    text += "    - {name: small, backend_refs: [{provider: echo}]}\n    - {name: large, backend_refs: [{provider: echo}]}\n"
    text += "\nrouting:\n  signals:\n    keywords:\n"
    for n, topic in enumerate(TOPICS):
        other = TOPICS[(n * 37 + 11) % 100]
        text += f"      - {{name: {topic}, keywords: [{topic}, {topic}s, {topic} {other}]}}\n"
    text += "  decisions:\n"
    for n, topic in enumerate(TOPICS):
        other = TOPICS[(n * 53 + 29) % 100]
        text += f"    - name: about_{topic}\n      priority: {1000 - n}\n"
        text += "      rules:\n        operator: AND\n        conditions:\n"
        text += f"          - {{type: keyword, name: {topic}}}\n"
        text += f"          - {{operator: NOT, conditions: [{{type: keyword, name: {other}}}]}}\n"
        text += f"      modelRefs: [{{model: {'large' if n % 3 == 0 else 'small'}}}]\n"
    return text


PATTERNS = r"""\b[A-Z]{2,5}-[0-9]{2,6}\b; \bv[0-9]+\.[0-9]+\.[0-9]+\b; \b[0-9]{4}-[0-9]{2}-[0-9]{2}\b; \bEUR [0-9]+,[0-9]{2}\b;
\b(?:SELECT|INSERT|UPDATE|DELETE)\b; \b[a-z0-9_]+\(\)\B; \bhttps?://[a-z0-9.]+; \b[0-9a-f]{40}\b; \b0x[0-9a-f]+\b;
\b[a-z0-9._]+@[a-z0-9]+\.[a-z]{2,4}\b; \bword[- ]for[- ]word\b; \bprove (?:that|this)\b; \b[0-9]+ ?(?:kg|km|mph)\b;
\b(?:GET|POST|PUT) /[a-z]+; \berror [0-9]{3,5}\b; \btop [0-9]+ of\b; \b(?:Q1|Q2|Q3|Q4) 20[0-9]{2}\b; \bchapter [0-9]+\b;
\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b; \bsection [0-9]+\.[0-9]+\b"""


def policy() -> str:
    """500 keywords in 100 rules, 20 expressions, 50 decisions; every signal is used."""
    patterns = [pattern.strip() for pattern in PATTERNS.replace("\n", " ").split(";")]
    assert len(patterns) == 20
    text = HEAD + "  defaults: {default_model: small}\n  models:\n"
    text += "    - {name: small, backend_refs: [{provider: echo}]}\n    - {name: large, backend_refs: [{provider: echo}]}\n"
    text += "\nrouting:\n  signals:\n    keywords:\n"
    for n, topic in enumerate(TOPICS):
        other = TOPICS[(n * 37 + 11) % 100]
        terms = f"{topic}, {topic}s, {topic} {other}, {topic} report, new {topic}"
        text += f"      - {{name: {topic}, keywords: [{terms}]}}\n"
    for n, pattern in enumerate(patterns):
        text += f"      - {{name: pattern_{n + 1}, method: regex, keywords: ['{pattern}']}}\n"
    text += "  decisions:\n"
    for n in range(50):
        first, second, unless = TOPICS[n], TOPICS[n + 50], TOPICS[(n * 7 + 3) % 50]
        text += f"    - name: decision_{n + 1}\n      priority: {1000 - n}\n"
        text += "      rules:\n        operator: AND\n        conditions:\n"
        text += "          - operator: OR\n            conditions:\n"
        text += f"              - {{type: keyword, name: {first}}}\n              - {{type: keyword, name: {second}}}\n"
        if n < 20:
            text += f"              - {{type: keyword, name: pattern_{n + 1}}}\n"
        if unless != first:
            text += f"          - {{operator: NOT, conditions: [{{type: keyword, name: {unless}}}]}}\n"
        text += f"      modelRefs: [{{model: {'large' if n % 3 == 0 else 'small'}}}]\n"
    return text


def models(count: int) -> str:
    vendors = ["acme", "globex", "initech", "umbra"]
    sizes = ["1b", "3b", "8b", "14b", "32b", "70b", "120b", "400b"]
    text = HEAD + "  models:\n"
    for n in range(count):
        name = f"{vendors[n % 4]}/{'chat' if n % 2 else 'instruct'}-v{n // 8 + 1}-{sizes[n % 8]}"
        text += f"    - {{name: {name}, backend_refs: [{{endpoint: \"127.0.0.1:{18000 + n}\"}}]}}\n"
    return text + "\nrouting:\n  decisions:\n    - {name: first, modelRefs: [{model: acme/instruct-v1-1b}]}\n"


for name, text in [("keywords_100", keywords()), ("policy", policy()), ("models_8", models(8)), ("models_64", models(64))]:
    (Path(__file__).parent / "configs" / f"{name}.yaml").write_text(text)
