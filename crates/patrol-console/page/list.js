// The queue: one row per lead, best first, rows kept by id so that reordering moves them and loads nothing anew.

import { arrange, h, scene, setText } from "./dom.js";
import { ago, delivery, group, minutesStill, ms, posture, result, ringing, state, t } from "./words.js";

const GROUPS = ["waiting", "candidate", "underway", "closed"];
const TIERS = { A: 0, B: 1, C: 2, D: 3 };
/** Seconds an operator has before the desk turns to the leader (integration.md §3.5). */
export const ANSWER_WITHIN_S = { A: 60, B: 180, C: 600, D: Infinity };

const rows = new Map();
const heads = new Map();
const folded = new Set(["closed"]);

export function inOrder(leads) {
  const rank = (lead) => GROUPS.indexOf(lead.group);
  return [...leads].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      (a.group === "closed"
        ? b.state_since - a.state_since
        : TIERS[a.tier] - TIERS[b.tier] || b.rank - a.rank) ||
      (a.id < b.id ? -1 : 1),
  );
}

/** What the arrow keys step through: everything that is not folded away. */
export const steppable = (leads) => inOrder(leads).filter((lead) => !folded.has(lead.group));

export function renderList(box, page, choose) {
  const ordered = inOrder(page.leads.values());
  const nodes = [];
  for (const name of GROUPS) {
    const members = ordered.filter((lead) => lead.group === name);
    if (members.length === 0 && name !== "waiting") continue;
    nodes.push(head(name, members.length, () => renderList(box, page, choose)));
    if (name === "waiting" && members.length === 0) nodes.push(empty(page));
    if (!folded.has(name)) nodes.push(...members.map((lead) => row(lead, page, choose)));
  }
  arrange(box, nodes);
  for (const id of [...rows.keys()]) if (!page.leads.has(id)) rows.delete(id);
  if (page.selected) box.setAttribute("aria-activedescendant", `lead-${page.selected}`);
}

export function scrollToSelected(page) {
  rows.get(page.selected)?.node.scrollIntoView({ block: "nearest" });
}

function head(name, count, redraw) {
  if (!heads.has(name)) {
    const node = h("button", {
      type: "button",
      class: "group-head",
      tabindex: "-1",
      onclick: (event) => {
        if (folded.has(name)) folded.delete(name);
        else folded.add(name);
        event.currentTarget.blur();
        heads.get(name).redraw();
      },
    });
    heads.set(name, { node });
  }
  const entry = heads.get(name);
  entry.redraw = redraw;
  setText(entry.node, `${folded.has(name) ? "▸" : "▾"} ${group(name)} ${count}`);
  entry.node.setAttribute("aria-expanded", String(!folded.has(name)));
  return entry.node;
}

let emptyNode = null;
function empty(page) {
  emptyNode ??= h("p", { class: "empty" });
  setText(emptyNode, page.loaded ? t("没有待处理的线索", "Nothing is waiting") : t("正在载入…", "Loading…"));
  return emptyNode;
}

function row(lead, page, choose) {
  let entry = rows.get(lead.id);
  if (!entry) {
    const part = (className) => h("span", { class: className });
    entry = { tier: part("tier"), name: part("name"), wait: part("wait number"), facts: part("facts"), note: part("note"), thumb: h("span", { class: "thumb" }) };
    entry.node = h(
      "div",
      { class: "lead", role: "option", id: `lead-${lead.id}`, onclick: () => choose(lead.id) },
      entry.thumb,
      h("div", { class: "text" }, h("div", { class: "line" }, entry.tier, entry.name, entry.wait), entry.facts, entry.note),
    );
    rows.set(lead.id, entry);
  }
  entry.lead = lead;
  entry.node.className = `lead tier-${lead.tier}${lead.ringing ? " ringing" : ""}${lead.group === "closed" ? " done" : ""}`;
  entry.node.setAttribute("aria-selected", String(page.selected === lead.id));
  setText(entry.tier, lead.tier);
  setText(entry.name, lead.camera_name);
  const note = [];
  if (lead.advice.some((advice) => advice.kind === "call-120-110-first")) note.push(t("先打 120/110", "call 120/110 first"));
  if (lead.ringing) note.push(t(`响铃:${ringing(lead.ringing.why)}`, `ringing: ${ringing(lead.ringing.why)}`));
  if (lead.delivery === "parked") note.push(delivery("parked"));
  if (lead.state !== "REVIEW") note.push(state(lead.state));
  if (lead.case.result) note.push(result(lead.case.result));
  if (lead.linked > 0) note.push(t(`72 小时内此处有过 ${lead.linked} 条`, `${lead.linked} here within 72 h`));
  if (lead.address) note.push(lead.address);
  setText(entry.note, note.join(" · "));
  entry.note.classList.toggle("urgent", lead.advice.length > 0 || lead.ringing !== null || lead.delivery === "parked");
  thumb(entry, lead, page);
  tick(entry);
  return entry.node;
}

function thumb(entry, lead, page) {
  const wanted = page.operator && lead.crop_sha256 && lead.group !== "closed" ? page.picture(lead.crop_sha256, lead.id) : null;
  if (entry.source === wanted) return;
  entry.source = wanted;
  entry.thumb.replaceChildren();
  if (!wanted) return;
  const image = h("img", { src: wanted, alt: t("裁剪图", "crop"), loading: "lazy", decoding: "async", draggable: "false" });
  image.addEventListener("error", () => entry.thumb.replaceChildren(h("span", { class: "no-picture" }, t("无图", "none"))));
  entry.thumb.append(image);
}

function tick(entry) {
  const { lead } = entry;
  const now = scene.now();
  const minutes = minutesStill(lead, now);
  const facts = [posture(lead.posture)];
  if (minutes !== null && lead.group !== "closed") facts.push(t(`静止 ${minutes} 分`, `still ${minutes} min`));
  facts.push(t(`${lead.people} 人`, `${lead.people} ${lead.people === 1 ? "person" : "people"}`));
  facts.push(t(`${lead.score.toFixed(0)} 分`, `S ${lead.score.toFixed(0)}`));
  facts.push(`p ${lead.confidence.toFixed(2)}`);
  if (!lead.resolved) facts.push(t("未辨明", "unresolved"));
  setText(entry.facts, facts.join(" · "));
  const waited = now - ms(lead.state_since);
  setText(entry.wait, lead.group === "closed" ? "" : ago(waited));
  entry.wait.classList.toggle("late", lead.group === "waiting" && waited > ANSWER_WITHIN_S[lead.tier] * 1000);
}

/** Once a second: only what time alone changes. */
export function tickList() {
  for (const entry of rows.values()) if (entry.node.isConnected) tick(entry);
}
