// The chat page: one conversation a shop, streamed, with its sources and the path that answered.
"use strict";

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const state = { shops: [], shop: null, busy: false, poll: null, seen: new Set() };

// ---- small helpers -------------------------------------------------------------------------------------------

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

const words = () => WORDS[state.shop?.language] || WORDS[navigator.language.startsWith("pt") ? "pt" : "en"];

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

function remember(name, value) {
  try { if (value === null) sessionStorage.removeItem(name); else sessionStorage.setItem(name, value); } catch { /* private mode */ }
}

function recall(name) {
  try { return sessionStorage.getItem(name); } catch { return null; }
}

function api(path, options = {}) {
  const headers = { authorization: `Bearer ${state.shop.key}`, ...(options.headers || {}) };
  return fetch(path, { ...options, headers });
}

// ---- the small Markdown a reply may carry, as nodes: nothing a shop or a model writes is ever taken for HTML ----

function inline(text, into) {
  const pattern = /\*\*([^*\n]+)\*\*|\*([^*\n]+)\*|_([^_\n]+)_|`([^`\n]+)`|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)|(https?:\/\/[^\s<>()]+[^\s<>().,;:!?])/g;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    const [whole, bold, italic, slanted, code, label, target, bare] = match;
    // An underscore inside a word is an underscore.
    if (slanted !== undefined && /\w/.test(text[match.index - 1] || "")) continue;
    into.append(text.slice(end, match.index));
    end = match.index + whole.length;
    if (bold !== undefined) into.append(make("strong", "", bold));
    else if (italic !== undefined || slanted !== undefined) into.append(make("em", "", italic ?? slanted));
    else if (code !== undefined) into.append(make("code", "", code));
    else {
      const link = make("a", "", label ?? bare);
      link.href = target ?? bare;
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      into.append(link);
    }
  }
  into.append(text.slice(end));
}

function markdown(text, into) {
  into.replaceChildren();
  let list = null, paragraph = null;
  for (const line of text.split("\n")) {
    const item = line.match(/^\s*(?:([-*•])|(\d+)[.)])\s+(.*)$/);
    const quote = line.match(/^>\s?(.*)$/);
    if (item) {
      const tag = item[1] ? "ul" : "ol";
      if (!list || list.localName !== tag) { list = make(tag); if (tag === "ol") list.start = Number(item[2]); into.append(list); }
      const entry = make("li");
      inline(item[3], entry);
      list.append(entry);
      paragraph = null;
    } else if (!line.trim()) {
      list = paragraph = null;
    } else {
      list = null;
      const tag = quote ? "blockquote" : "p";
      if (!paragraph || paragraph.localName !== tag) { paragraph = make(tag); into.append(paragraph); }
      else paragraph.append(make("br"));
      inline(quote ? quote[1] : line.replace(/^#+\s+/, ""), paragraph);
    }
  }
}

// ---- lines of the conversation --------------------------------------------------------------------------------

function scroll() {
  const lines = $("lines");
  lines.scrollTop = lines.scrollHeight;
}

function addLine(author, text) {
  const line = make("li", `line ${author}`);
  if (author !== "customer") line.append(make("span", "face", author === "human" ? "☺" : initial(state.shop.name)));
  const body = make("div", "body");
  if (author === "human") body.append(make("p", "author", words().person));
  const bubble = make("div", "bubble");
  if (author === "customer") bubble.textContent = text; else markdown(text, bubble);
  body.append(bubble);
  line.append(body);
  $("lines").append(line);
  scroll();
  return { line, body, bubble };
}

function showThinking(target, stage) {
  const label = words().stages[stage] || words().stages.model;
  let thinking = target.bubble.querySelector(".thinking");
  if (!thinking) {
    thinking = make("span", "thinking");
    const dots = make("span", "dots");
    dots.append(make("i"), make("i"), make("i"));
    thinking.append(dots, make("span", "label"));
    target.bubble.replaceChildren(thinking);
  }
  thinking.querySelector(".label").textContent = label;
  scroll();
}

function addMeta(body, { path, reason, sources = [], seconds, model }) {
  if (!path || path === "silent") return;
  const w = words();
  const meta = make("div", "meta");
  const badge = make("span", `badge ${path}`, w.paths[path] || path);
  badge.dataset.path = path;
  if (model) badge.title = model;
  meta.append(badge);
  if (reason) meta.append(make("span", "why", w.reasons[reason] || reason));
  if (seconds !== undefined) meta.append(make("span", "time", `· ${seconds.toLocaleString(w.locale, { maximumFractionDigits: 1 })} s`));
  body.append(meta);
  if (sources.length === 0) return;
  const cards = make("div", "sources");
  cards.hidden = true;
  for (const source of sources) {
    const card = make("div", "source");
    card.append(make("strong", "", source.title));
    card.append(make("span", "path", [...(source.headings || []).slice(-2), source.uri].join(" › ")));
    if (source.quote) card.append(make("blockquote", "", source.quote));
    cards.append(card);
  }
  const toggle = make("button", "cites", w.sources(sources.length));
  toggle.type = "button";
  toggle.setAttribute("aria-expanded", "false");
  toggle.addEventListener("click", () => {
    cards.hidden = !cards.hidden;
    toggle.setAttribute("aria-expanded", String(!cards.hidden));
    if (!cards.hidden) cards.scrollIntoView({ block: "nearest" });
  });
  meta.append(toggle);
  body.append(cards);
}

function addCopyable(body, code) {
  if (!code) return;
  const box = make("div", "copyable");
  box.append(make("code", "", code));
  const button = make("button", "", words().copy);
  button.type = "button";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code);
    button.textContent = words().copied;
  });
  box.append(button);
  body.append(box);
}

function addOptions(body, options) {
  if (!options || options.length === 0) return;
  const row = make("div", "options");
  for (const option of options) {
    const button = make("button", "", option.title);
    button.type = "button";
    if (option.description) button.title = option.description;
    button.addEventListener("click", () => say(option.title, option.id));
    row.append(button);
  }
  body.append(row);
}

function retireOptions() {
  for (const button of document.querySelectorAll(".options button")) button.disabled = true;
}

// ---- saying something -------------------------------------------------------------------------------------------

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    let cut;
    while ((cut = rest.indexOf("\n\n")) >= 0) {
      const block = rest.slice(0, cut);
      rest = rest.slice(cut + 2);
      let name = "message", data = "";
      for (const line of block.split("\n")) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data += line.slice(5).trim();
      }
      if (data) yield { name, data: JSON.parse(data) };
    }
  }
}

async function say(text, choice, messageId = uuid()) {
  text = text.trim();
  if (!text || state.busy || !state.shop) return;
  setBusy(true);
  retireOptions();
  const shop = state.shop;
  remember(`begun:${shop.slug}`, "1");
  addLine("customer", text);
  const target = addLine("agent", "");
  showThinking(target, "accepted");
  const started = performance.now();
  try {
    const body = { text, message_id: messageId };
    if (choice) body.choice = choice;
    const response = await api(`/v1/conversations/${encodeURIComponent(shop.conversation)}/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw await problem(response);
    await hear(response, target, started, shop);
  } catch (error) {
    if (shop === state.shop) fail(target, error, () => say(text, choice, messageId));
  } finally {
    setBusy(false);
  }
}

async function problem(response) {
  const body = await response.json().catch(() => ({}));
  return { code: body.code, status: response.status };
}

async function hear(response, target, started, shop) {
  let text = "", finished = false;
  for await (const { name, data } of events(response)) {
    if (shop !== state.shop) return;
    if (name === "stage" && !text) showThinking(target, data.name);
    else if (name === "token") {
      text += data.text;
      target.line.classList.add("writing");
      markdown(text, target.bubble);
      scroll();
    } else if (name === "restart") {
      text = "";
      target.line.classList.remove("writing");
      showThinking(target, "rules");
    } else if (name === "reply") {
      finish(target, data, (performance.now() - started) / 1000);
      finished = true;
    } else if (name === "error") throw { code: data.code, status: data.status };
  }
  if (!finished) throw { code: "interrupted" };
}

function finish(target, said, seconds) {
  target.line.classList.remove("writing");
  if (said.turn_id) state.seen.add(said.turn_id);
  if (said.reply === null) {
    target.line.remove();
    if (said.reason === "handed_off") personTakesOver(words().kept);
    return;
  }
  markdown(said.reply, target.bubble);
  addCopyable(target.body, said.copyable);
  addMeta(target.body, { ...said, seconds });
  addOptions(target.body, said.options);
  if (said.action?.action === "hand_off") personTakesOver(words().handedOff);
  scroll();
}

function fail(target, error, again) {
  const w = words();
  target.line.classList.remove("writing");
  target.line.classList.add("failed");
  const text = { answer_late: w.late, rate_limited: w.slow }[error.code] || w.failed;
  markdown(text, target.bubble);
  if (error.status === 401 && state.shop.pasted) return askForKey(true);
  const button = make("button", "again", w.retry);
  button.type = "button";
  button.addEventListener("click", () => { target.line.previousElementSibling?.remove(); target.line.remove(); again(); });
  target.body.append(button);
}

function setBusy(busy) {
  state.busy = busy;
  $("send").disabled = busy || !$("text").value.trim();
  if (!document.body.classList.contains("human")) presence(busy ? words().typing : words().online);
}

function presence(text) {
  $("presence").lastElementChild.textContent = text;
}

// ---- a person of the shop -----------------------------------------------------------------------------------------

function personTakesOver(notice) {
  document.body.classList.add("human");
  $("notice").textContent = notice;
  $("notice").hidden = false;
  presence(words().human);
  clearInterval(state.poll);
  state.poll = setInterval(checkForPerson, 3000);
}

function agentIsBack() {
  document.body.classList.remove("human");
  $("notice").hidden = true;
  presence(words().online);
  clearInterval(state.poll);
}

async function checkForPerson() {
  const shop = state.shop;
  const base = `/v1/conversations/${encodeURIComponent(shop.conversation)}`;
  const [now, history] = await Promise.all([api(base), api(`${base}/messages?limit=20`)]).catch(() => [null, null]);
  if (!now?.ok || !history?.ok || shop !== state.shop) return;
  for (const line of (await history.json()).items) {
    if (line.author !== "human" || state.seen.has(line.cursor)) continue;
    state.seen.add(line.cursor);
    addLine("human", line.text);
  }
  if (!(await now.json()).handed_off_at) agentIsBack();
}

// ---- shops ----------------------------------------------------------------------------------------------------

const initial = (name) => (name.trim()[0] || "B").toUpperCase();

function speak() {
  const w = words();
  root.lang = w.locale;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = w[node.dataset.word];
  $("text").placeholder = w.placeholder;
  $("text").setAttribute("aria-label", w.placeholder);
  $("send").setAttribute("aria-label", w.send);
  $("theme").setAttribute("aria-label", w.theme);
  $("fresh").setAttribute("aria-label", w.fresh);
}

function drawShops() {
  $("shops").replaceChildren(...state.shops.map((shop, index) => {
    const button = make("button", "shop");
    button.type = "button";
    button.setAttribute("aria-pressed", String(shop === state.shop));
    const face = make("span", "face", initial(shop.name));
    face.dataset.shop = index % 3;
    const label = make("span");
    label.append(make("strong", "", shop.name), make("small", "", { pt: "Português", en: "English" }[shop.language] || ""));
    button.append(face, label);
    button.addEventListener("click", () => open(shop));
    return button;
  }));
}

function drawSuggestions() {
  const all = state.shop.suggestions?.length ? state.shop.suggestions : words().suggestions;
  for (const place of ["suggestions", "chips"]) {
    $(place).replaceChildren(...all.map((text) => {
      const button = make("button", "", text);
      button.type = "button";
      button.addEventListener("click", () => say(text));
      return button;
    }));
  }
}

async function open(shop) {
  state.shop = shop;
  root.dataset.shop = state.shops.indexOf(shop) % 3;
  shop.conversation = recall(`talk:${shop.slug}`) || newTalk(shop);
  remember("shop", shop.slug);
  speak();
  agentIsBack();
  drawShops();
  drawSuggestions();
  $("shop-name").textContent = shop.name;
  $("face").textContent = initial(shop.name);
  document.title = `${shop.name} · Balcão`;
  $("lines").replaceChildren();
  state.seen.clear();
  addLine("agent", shop.greeting || words().greeting(shop.name));
  await restore(shop);
  $("text").focus({ preventScroll: true });
}

function newTalk(shop) {
  const id = `web-${uuid()}`;
  remember(`talk:${shop.slug}`, id);
  return id;
}

async function restore(shop) {
  const base = `/v1/conversations/${encodeURIComponent(shop.conversation)}`;
  if (!recall(`begun:${shop.slug}`)) return;
  const [now, history] = await Promise.all([api(base), api(`${base}/messages?limit=50`)]).catch(() => [null, null]);
  if (!now?.ok || !history?.ok || shop !== state.shop) return;
  for (const line of (await history.json()).items) {
    state.seen.add(line.cursor);
    const { body } = addLine(line.author, line.text);
    if (line.author === "agent") addMeta(body, line);
  }
  if ((await now.json()).handed_off_at) personTakesOver(words().handedOff);
}

// ---- keys -----------------------------------------------------------------------------------------------------

function askForKey(wrong) {
  $("key-wrong").hidden = !wrong;
  speak();
  if (!$("ask-key").open) $("ask-key").showModal();
}

async function useKey(key) {
  const response = await fetch("/v1/models", { headers: { authorization: `Bearer ${key}` } });
  if (!response.ok) return false;
  const slug = (await response.json()).data[0].owned_by;
  const name = slug.split("-").map((word) => word[0].toUpperCase() + word.slice(1)).join(" ");
  const language = navigator.language.startsWith("pt") ? "pt" : "en";
  state.shops = [{ slug, name, language, key, pasted: true }];
  remember("key", key);
  return true;
}

async function begin() {
  const session = await fetch("/demo/session").then((response) => response.json()).catch(() => ({ shops: [] }));
  state.shops = session.shops || [];
  if (state.shops.length === 0) {
    const key = recall("key");
    if (!key || !(await useKey(key))) return askForKey(false);
  }
  open(state.shops.find((shop) => shop.slug === recall("shop")) || state.shops[0]);
}

// ---- wiring -----------------------------------------------------------------------------------------------------

function setTheme(theme) {
  root.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* private mode */ }
}

function fit() {
  const text = $("text");
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 150)}px`;
  $("send").disabled = state.busy || !text.value.trim();
}

function submit(event) {
  event.preventDefault();
  const text = $("text").value;
  if (state.busy || !text.trim()) return;
  $("text").value = "";
  fit();
  say(text);
}

let theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
try { theme = localStorage.getItem("theme") || theme; } catch { /* private mode */ }
root.dataset.theme = theme;

$("say").addEventListener("submit", submit);
$("text").addEventListener("input", fit);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
});
$("theme").addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));
$("fresh").addEventListener("click", () => {
  if (!state.shop) return;
  remember(`begun:${state.shop.slug}`, null);
  newTalk(state.shop);
  open(state.shop);
});
$("ask-key").addEventListener("cancel", (event) => event.preventDefault());
$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!(await useKey($("key").value.trim()))) return askForKey(true);
  $("ask-key").close();
  open(state.shops[0]);
});
fit();
speak();
begin();
