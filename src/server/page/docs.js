// Draws /openapi.json for people.
"use strict";

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

// `code` in descriptions becomes code; everything else stays text.
const prose = (tag, className, text = "") => {
  const node = make(tag, className);
  text.split("`").forEach((part, i) => node.append(i % 2 ? make("code", "", part) : part));
  return node;
};

const named = (ref) => ref.split("/").pop();

function typeOf(schema, spec) {
  if (!schema) return "";
  if (schema.$ref) return named(schema.$ref);
  if (schema.oneOf) return schema.oneOf.map((one) => typeOf(one, spec)).join(" or ");
  const types = [].concat(schema.type || (schema.properties ? "object" : "any")).filter((type) => type !== "null");
  if (schema.enum) return schema.enum.map((value) => `"${value}"`).join(" | ");
  return types.map((type) => (type === "array" ? `list of ${typeOf(schema.items, spec)}` : type)).join(" or ");
}

function rows(title, entries) {
  if (entries.length === 0) return [];
  const table = make("table");
  const head = make("tr");
  head.append(make("th", "", title), make("th"), make("th"));
  table.append(head);
  for (const [name, required, type, about] of entries) {
    const row = make("tr");
    const label = make("td");
    label.append(make("code", "", name));
    if (required) label.append(make("span", "req", " *"));
    row.append(label, make("td", "", type), prose("td", "", about));
    table.append(row);
  }
  const wrap = make("div", "wrap");
  wrap.append(table);
  return [wrap];
}

function fields(schema, spec) {
  const real = schema?.$ref ? spec.components.schemas[named(schema.$ref)] : schema;
  return Object.entries(real?.properties || {}).map(([name, field]) => [
    name, (real.required || []).includes(name), typeOf(field, spec), field.description || "",
  ]);
}

function draw(path, method, operation, spec) {
  const article = make("article");
  article.id = `${method}${path}`;
  const title = make("h3");
  title.append(make("span", `method ${method}`, method), path);
  article.append(title, prose("p", "", operation.summary || ""));
  if (operation.description) article.append(prose("p", "about", operation.description));
  const parameters = (operation.parameters || []).map((one) => [
    one.name, one.required, `${one.in}, ${typeOf(one.schema, spec)}`, one.description || "",
  ]);
  article.append(...rows("Parameters", parameters));
  for (const [media, body] of Object.entries(operation.requestBody?.content || {})) {
    article.append(...rows(`Body, ${media}`, fields(body.schema, spec)));
  }
  const answers = Object.entries(operation.responses).map(([status, one]) => {
    const schema = Object.values(one.content || {})[0]?.schema;
    return [status, false, typeOf(schema, spec), one.description || ""];
  });
  article.append(...rows("Answers", answers));
  const good = Object.values(operation.responses)[0];
  article.append(...rows("Fields of the answer", fields(Object.values(good.content || {})[0]?.schema, spec)));
  return article;
}

async function begin() {
  const spec = await (await fetch("/openapi.json")).json();
  const about = prose("p", "about", spec.info.description);
  document.getElementById("about").replaceWith(about);
  document.getElementById("version").textContent = `OpenAPI ${spec.openapi}, version ${spec.info.version}`;
  for (const tag of spec.tags) {
    const nav = document.getElementById("nav");
    const list = document.getElementById("operations");
    nav.append(make("strong", "", tag.name));
    list.append(make("h2", "", tag.name), prose("p", "about", tag.description));
    for (const [path, item] of Object.entries(spec.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        if (!operation.tags?.includes(tag.name)) continue;
        const link = make("a", "", `${method.toUpperCase()} ${path}`);
        link.href = `#${method}${path}`;
        nav.append(link);
        list.append(draw(path, method, operation, spec));
      }
    }
  }
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

begin();
