// The official Node SDKs on the Responses API, version 6 and 7: one case a run. What is wrong is thrown.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const OpenAI = createRequire(process.env.NODE_HOME + "/")(process.env.SDK);
const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "sk-of-the-client", maxRetries: 0, timeout: 5000 });
const tools = [
  { type: "function", name: "weather", parameters: { type: "object", properties: {} }, strict: false },
  { type: "custom", name: "shell" },
];
const body = { model: process.env.MODEL, input: "Hi", tools };

function check(response) {
  assert.equal(response.status, "completed");
  assert.deepEqual(response.output.map((item) => item.type).slice(0, 3), ["reasoning", "message", "function_call"]);
  assert.equal(response.output_text, "Look: \u00e4");
  assert.equal(response.output[2].arguments, '{"city": "Bonn"}');
  assert.equal(response.usage.total_tokens, 15);
}

const cases = {
  async everything() {
    check(await client.responses.create(body));
    let last;
    for await (const event of await client.responses.create({ ...body, stream: true })) last = event;
    assert.equal(last.type, "response.completed");
    const stream = client.responses.stream(body);
    let seen = "";
    stream.on("response.output_text.delta", (event) => (seen += event.delta));
    const final = await stream.finalResponse();
    check(final);
    assert.equal(seen, "Look: \u00e4");
    const stored = await client.responses.retrieve(final.id);
    let replayed;
    for await (const event of await client.responses.retrieve(final.id, { stream: true })) replayed = event;
    const { output_text, ...object } = stored;
    delete replayed.response.output_text;
    assert.deepEqual(replayed.response, object);
    // A stream that is taken up again.
    check(await client.responses.stream({ response_id: final.id }).finalResponse());
    const items = await client.responses.inputItems.list(final.id);
    assert.equal(items.data[0].content[0].text, "Hi");
    const next = await client.responses.create({ ...body, previous_response_id: final.id, input: [
      { type: "function_call_output", call_id: "c1", output: "Rain." },
    ] });
    assert.equal(next.previous_response_id, final.id);
    await client.responses.delete(final.id);
    await assert.rejects(client.responses.retrieve(final.id), OpenAI.NotFoundError);
  },
  // Before a server that answers with how many messages it was sent, and counts their words.
  async conversation() {
    const sent = (response) => Number(/messages=(\d+)/.exec(response.output_text)[1]);
    const model = process.env.MODEL;
    const first = await client.responses.create({ model, input: "one two", instructions: "Be kind." });
    assert.equal(first.status, "completed");
    assert.equal(sent(first), 2);
    const stream = client.responses.stream({ model, input: "three", previous_response_id: first.id });
    let seen = "";
    stream.on("response.output_text.delta", (event) => (seen += event.delta));
    const second = await stream.finalResponse();
    assert.equal(seen, second.output_text);
    assert.equal(second.usage.input_tokens, 2 + first.usage.output_tokens + 1);
    const third = await client.responses.create({ model, input: "four", previous_response_id: second.id });
    assert.equal(sent(third), 5);
    assert.equal((await client.responses.retrieve(third.id)).output_text, third.output_text);
    const items = await client.responses.inputItems.list(third.id);
    assert.deepEqual(items.data.map((item) => item.content[0].text), ["four"]);
    await client.responses.delete(third.id);
    for (const gone of [client.responses.retrieve(third.id), client.responses.delete(third.id)])
      await assert.rejects(gone, OpenAI.NotFoundError);
    await assert.rejects(
      client.responses.create({ model, input: "five", previous_response_id: third.id }),
      (error) => error.code === "previous_response_not_found",
    );
  },
  async broken() {
    const response = await client.responses.stream(body).finalResponse();
    assert.equal(response.status, "failed");
    assert.equal(response.error.code, "server_error");
  },
};

await cases[process.argv[2]]();
