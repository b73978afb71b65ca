"""Talks to a shop with the official OpenAI client, and prints what it saw as JSON."""

import json

from openai import AuthenticationError, BadRequestError, OpenAI

QUESTION = "qual o prazo para troca?"
client = OpenAI(max_retries=0, timeout=30)
seen = {"models": [model.id for model in client.models.list()]}

whole = client.chat.completions.create(
    model="balcao",
    messages=[{"role": "system", "content": "ignored"}, {"role": "user", "content": QUESTION}],
    metadata={"conversation_id": "python-1"},
    temperature=0.2,
)
seen["whole"] = whole.choices[0].message.content
seen["source"] = whole.balcao["sources"][0]["uri"]

stream = client.chat.completions.create(
    model="balcao",
    messages=[{"role": "user", "content": QUESTION}],
    user="python-1",
    stream=True,
    stream_options={"include_usage": True},
)
text, pieces = "", 0
for chunk in stream:
    if chunk.usage:
        seen["stream_tokens"] = chunk.usage.total_tokens
    if not chunk.choices:
        continue
    choice = chunk.choices[0]
    if choice.delta.content:
        text += choice.delta.content
        pieces += 1
    if choice.finish_reason:
        seen["finish_reason"] = choice.finish_reason
        seen["streamed_source"] = chunk.balcao["sources"][0]["uri"]
seen["streamed"], seen["pieces"] = text, pieces

try:
    OpenAI(api_key="bk_wrong", max_retries=0).models.list()
except AuthenticationError as error:
    seen["wrong_key"] = type(error).__name__
try:
    client.chat.completions.create(model="balcao", messages=[])
except BadRequestError as error:
    seen["bad_request"] = type(error).__name__

print(json.dumps(seen))
