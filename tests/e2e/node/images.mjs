// The official Node SDKs on responses with images. What is wrong is thrown.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const OpenAI = createRequire(process.env.NODE_HOME + "/")(process.env.SDK);
const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "sk-of-the-client", maxRetries: 0, timeout: 5000 });
const body = { model: "auto", input: "A cat, please", tools: [{ type: "image_generation" }] };

function check(response) {
  assert.equal(response.status, "completed");
  assert.equal(response.output_text, "A cat.");
  const image = response.output.find((item) => item.type === "image_generation_call");
  assert.equal(image.status, "completed");
  assert.equal(image.result, process.env.PIXELS);
}

check(await client.responses.create(body));
const seen = [];
const stream = client.responses.stream(body);
stream.on("event", (event) => seen.push(event.type));
const final = await stream.finalResponse();
check(final);
assert.equal(seen.filter((type) => type.startsWith("response.image_generation_call.")).length, 3);
check(await client.responses.stream({ response_id: final.id }).finalResponse());
