// The official Node SDKs on Responses over a WebSocket, version 6 and 7. What is wrong is thrown.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_HOME + "/");
const OpenAI = require(process.env.SDK);
const { ResponsesWS } = require(process.env.SDK + "/resources/responses/ws");
const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "sk-of-the-client" });
const ws = new ResponsesWS(client);
const events = ws.stream();

async function turn(body) {
  ws.send({ type: "response.create", model: "gpt", store: false, ...body });
  for (;;) {
    const { value, done } = await events.next();
    assert.ok(!done, "closed");
    if (value.type === "error") throw value.error;
    if (value.type !== "message") continue;
    assert.equal(value.message.stream_id, body.stream_id);
    if (value.message.type === "response.completed") return value.message.response;
  }
}

const first = await turn({ input: "a" });
const second = await turn({ input: "b", stream_id: "main", previous_response_id: first.id });
assert.equal(second.output[0].content[0].text, "two");
await assert.rejects(turn({ model: "none", input: "a" }), (error) => {
  assert.equal(error.error.code ?? error.error.error.code, "model_not_found");
  return true;
});
ws.close();
