// Building blocks of the page. Data reaches the document as text only: no markup is ever made from it.

export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Sets text only when it differs, so that screen readers and selections are left alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Puts `nodes` into `parent` in this order, moving only what is out of place: pictures are not loaded anew. */
export function arrange(parent, nodes) {
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
}

export class Refused extends Error {
  constructor(status, body) {
    super(body?.error ?? `HTTP ${status}`);
    this.status = status;
    this.code = body?.code;
    this.english = body?.error_en ?? this.message;
  }
}

/** No answer within this is a dead line: a decision, the slowest, is answered within 10 s. */
const ANSWER_MS = 15000;

export async function ask(path, body, answerMs = ANSWER_MS) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const { response, text } = await fetchText(path, { cache: "no-store", signal: AbortSignal.timeout(answerMs), ...options });
  let parsed = null;
  try {
    parsed = text === "" ? null : JSON.parse(text);
  } catch {
    parsed = { error: text.slice(0, 200) };
  }
  if (!response.ok) throw new Refused(response.status, parsed);
  return parsed;
}

async function fetchText(path, options) {
  try {
    const response = await fetch(path, options);
    return { response, text: await response.text() };
  } catch {
    throw new Refused(0, { error: "服务器没有应答,请检查网络", error_en: "the server does not answer; check the network" });
  }
}

/** Scene time, kept between answers of the server by its own speed. */
export const scene = {
  base: Date.now(),
  read: performance.now(),
  speed: 1,
  set({ now_ms, speed }) {
    this.base = now_ms;
    this.read = performance.now();
    this.speed = speed;
  },
  now() {
    return this.base + (performance.now() - this.read) * this.speed;
  },
};
