// The official Node SDK before backends that speak Anthropic's Messages: one case a run. What is wrong is thrown.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const OpenAI = createRequire(process.env.NODE_HOME + "/")("openai");

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "sk-of-the-client", maxRetries: 0, timeout: 5000 });
const ask = (messages, more = {}) => ({ model: "claude", messages, ...more });
const HI = [{ role: "user", content: "hi" }];
const usage = { stream_options: { include_usage: true } };

const cases = {
  async answers() {
    const plain = await client.chat.completions.create(ask(HI));
    assert.equal(plain.choices[0].message.content, "one two");
    assert.equal(plain.model, "claude");
    let text = "";
    for await (const chunk of await client.chat.completions.create(ask(HI, { stream: true }))) {
      text += chunk.choices[0].delta.content ?? "";
    }
    assert.equal(text, "one two");
    const final = await client.chat.completions.stream(ask(HI, usage)).finalChatCompletion();
    assert.equal(final.choices[0].message.content, "one two");
    assert.deepEqual([final.usage.prompt_tokens, final.usage.completion_tokens], [10, 5]);
  },
  async tools() {
    const first = await client.chat.completions.create(ask(HI));
    const streamed = await client.chat.completions.stream(ask(HI)).finalChatCompletion();
    for (const { message, finish_reason } of [first.choices[0], streamed.choices[0]]) {
      assert.equal(finish_reason, "tool_calls");
      assert.deepEqual(message.tool_calls.map((call) => JSON.parse(call.function.arguments)), [{ city: "Oslo" }, {}]);
      const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "-3" }));
      const second = await client.chat.completions.create(ask([...HI, message, ...results]));
      assert.equal(second.choices[0].message.content, "Cold.");
    }
  },
  async broken() {
    await assert.rejects(async () => {
      for await (const _ of await client.chat.completions.create(ask(HI, { stream: true })));
    }, OpenAI.APIError);
    await assert.rejects(client.chat.completions.stream(ask(HI)).finalContent(), OpenAI.APIError);
    await assert.rejects(client.chat.completions.create(ask(HI)), OpenAI.APIError);
  },
};

await cases[process.argv[2]]();
