// The official Node SDK against a router: one case a run, named on the command line. What is wrong is thrown.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// From where it was installed to, not from here.
const OpenAI = createRequire(process.env.NODE_HOME + "/")("openai");

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "sk-of-the-client", maxRetries: 0, timeout: 5000 });
const ask = (model, content, more = {}) => ({ model, messages: [{ role: "user", content }], ...more });

const cases = {
  async plain() {
    const { data, response } = await client.chat.completions.create(ask("auto", "urgent")).withResponse();
    assert.equal(data.choices[0].message.content, "hello");
    assert.equal(response.headers.get("x-vsr-selected-model"), "beta");
    assert.equal(response.headers.get("x-vsr-selected-decision"), "urgent");
  },
  async stream() {
    let text = "";
    for await (const chunk of await client.chat.completions.create(ask("alpha", "hi", { stream: true }))) {
      text += chunk.choices[0].delta.content ?? "";
    }
    assert.equal(text, "one two");
  },
  async helper() {
    for (const model of ["alpha", "echo"]) {
      const stream = client.chat.completions.stream(ask(model, "one two"));
      assert.match(await stream.finalContent(), /one two$/);
    }
  },
  async models() {
    const names = (await client.models.list()).data.map((model) => model.id);
    assert.deepEqual(names.slice(0, 3), ["vllm-sr/auto", "auto", "MoM"]);
    assert.equal((await client.models.retrieve("vllm-sr/auto")).id, "vllm-sr/auto");
  },
  async errors() {
    await assert.rejects(client.chat.completions.create(ask("alhpa", "hi")), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, "model_not_found");
      assert.match(error.message, /`alpha`/);
      return true;
    });
    await assert.rejects(client.chat.completions.create(ask("dead", "hi")), OpenAI.InternalServerError);
    await assert.rejects(client.chat.completions.create({ model: "alpha" }), OpenAI.BadRequestError);
    const large = ask("alpha", "x".repeat(2 << 20));
    await assert.rejects(client.chat.completions.create(large), { status: 413, code: "request_too_large" });
  },
  async broken() {
    const seen = [];
    await assert.rejects(async () => {
      for await (const chunk of await client.chat.completions.create(ask("alpha", "hi", { stream: true }))) seen.push(chunk);
    }, OpenAI.APIError);
    assert.equal(seen.length, 2);
    await assert.rejects(client.chat.completions.stream(ask("alpha", "hi")).finalContent(), OpenAI.APIError);
  },
  async leave() {
    const stream = await client.chat.completions.create(ask("alpha", "hi", { stream: true }));
    for await (const chunk of stream) {
      assert.equal(chunk.choices[0].delta.content, "x");
      break;
    }
  },
};

await cases[process.argv[2]]();
