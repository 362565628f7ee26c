// Draws /openapi.json. Text only ever enters the page as text.
"use strict";

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

// What a schema says, in a line; references become links.
function type(schema) {
  if (!schema || schema === true) return "anything";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return element("a", { href: "#schema-" + name }, name);
  }
  for (const [word, glue] of [["oneOf", " or "], ["anyOf", " or "], ["allOf", " and "]]) {
    if (!schema[word]) continue;
    // A part that only narrows another says nothing by itself.
    const said = schema[word].map(type).filter((part) => word !== "allOf" || part !== "anything");
    return element("span", {}, ...said.flatMap((part, index) => (index ? [glue, part] : [part])));
  }
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return element("span", {}, "list of ", type(schema.items));
  let text = [].concat(schema.type || "anything").join(" or ");
  if (schema.minimum !== undefined || schema.maximum !== undefined) {
    text += " from " + (schema.minimum ?? "any") + " to " + (schema.maximum ?? "any");
  }
  return text;
}

function example(label, value) {
  const shorten = (key, part) => (typeof part === "string" && part.length > 80 ? part.slice(0, 60) + "..." : part);
  // It may scroll, so the keyboard has to get there.
  const attributes = { tabindex: "0", role: "region", "aria-label": label };
  return element("pre", attributes, element("code", {}, JSON.stringify(value, shorten, 2)));
}

function contents(content) {
  const parts = element("div");
  for (const [media, body] of Object.entries(content || {})) {
    parts.append(element("p", {}, element("code", {}, media), ": ", type(body.schema)));
    if (body.example !== undefined) parts.append(example("Example, " + media, body.example));
    for (const [name, { value }] of Object.entries(body.examples || {})) {
      parts.append(element("details", {}, element("summary", {}, "Example: " + name), example("Example, " + name, value)));
    }
  }
  return parts;
}

function operation(path, method, op) {
  const open = Array.isArray(op.security) && op.security.length === 0;
  const section = element("section", { id: op.operationId },
    element("h2", {}, element("span", { class: "method" }, method.toUpperCase()), " ", element("code", {}, path)),
    element("p", {}, element("strong", {}, op.summary), ". " + op.description + (open ? " Needs no key." : "")));
  if (op.parameters) {
    section.append(element("h3", {}, "Parameters"), table(["name", "in", "value", "meaning"],
      op.parameters.map((p) => [element("code", {}, p.name), p.in, type(p.schema), p.description])));
  }
  if (op.requestBody) section.append(element("h3", {}, "Body"), contents(op.requestBody.content));
  section.append(element("h3", {}, "Answers"));
  section.append(table(["status", "meaning", "headers", "body"], Object.entries(op.responses).sort().map(([status, r]) => [
    element("code", {}, status), r.description.replaceAll("`", ""),
    Object.keys(r.headers || {}).join(", "), contents(r.content)])));
  return section;
}

function schema(name, value) {
  const section = element("section", { id: "schema-" + name }, element("h3", {}, name));
  if (value.description) section.append(element("p", {}, value.description));
  if (!value.properties) section.append(element("p", {}, type(value)));
  else {
    const required = new Set(value.required || []);
    section.append(table(["member", "value", "meaning"], Object.entries(value.properties).map(([member, part]) => [
      element("code", {}, member + (required.has(member) ? "" : "?")), type(part), (part && part.description) || ""])));
  }
  return section;
}

async function draw() {
  const main = document.getElementById("operations");
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error("/openapi.json answers " + answer.status);
  const spec = await answer.json();
  document.getElementById("about").prepend(spec.info.description + " Version " + spec.info.version + ". ");
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const [method, op] of Object.entries(methods)) {
      const link = element("a", { href: "#" + op.operationId }, method.toUpperCase() + " " + path);
      document.getElementById("routes").append(element("li", {}, link));
      main.append(operation(path, method, op));
    }
  }
  main.append(element("h2", {}, "Schemas"));
  for (const [name, value] of Object.entries(spec.components.schemas)) main.append(schema(name, value));
}

draw().catch((error) => {
  document.getElementById("operations").append(element("p", { role: "alert" }, "The document could not be read: " + error.message));
});
