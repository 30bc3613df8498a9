"""The description of the API, as tools read it, against the ports that it describes."""

import subprocess

import httpx
import openapi_spec_validator
import pytest
from router import binary


@pytest.fixture(scope="module")
def echo(start):
    router = start("default")
    yield router
    router.check()


def test_document(echo):
    document = httpx.get(f"{echo.management}/openapi.json").json()
    openapi_spec_validator.validate(document)
    for path, item in document["paths"].items():
        tags = {server["description"] for server in item["servers"]}
        for tag, base in [("public", echo.url), ("management", echo.management)]:
            url = base + path.replace("{id}", "auto")
            # There are no stored responses: what is served says so, what is not says something else.
            stored = path.startswith("/v1/responses/{id}")
            for method in item.keys() - {"servers"}:
                got = httpx.request(method, url, json={} if method == "post" else None)
                is_served = got.status_code not in (404, 405) or (stored and "Response with id" in got.text)
                assert is_served == (tag in tags), (method, url, got)


def test_page(echo):
    page = httpx.get(f"{echo.management}/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "openapi.json" in page.text


def test_explain_says_what_the_router_does(echo):
    prompt = "Why does this function not compile?"
    answer = httpx.post(
        f"{echo.url}/v1/chat/completions", json={"model": "auto", "messages": [{"role": "user", "content": prompt}]}
    )
    told = httpx.post(f"{echo.management}/api/v1/eval", json={"text": prompt}).json()
    assert told["selected_model"] == answer.headers["x-vsr-selected-model"]
    assert told["routing_decision"] == answer.headers["x-vsr-selected-decision"]
    shown = subprocess.run([binary("default"), "explain", prompt], capture_output=True, text=True, check=True).stdout
    assert f"-> {told['selected_model']}\n" in shown
    assert f"[x] {told['routing_decision']} " in shown
