// What the page knows, what it hears, and what the keys do.

import { ask, byId, h, scene, setText } from "./dom.js";
import { openClip } from "./clip.js";
import { canUndo, pictureShownAt, renderDetail, shownEvidence, stepEvidence, tickDetail, togglePreview } from "./detail.js";
import { inOrder, renderList, scrollToSelected, steppable, tickList } from "./list.js";
import { openLive, openLook } from "./seen.js";
import { renderCameras, renderSuppressed, weatherLine } from "./site.js";
import { beep, soundOn } from "./sound.js";
import { clockTime, decision, language, setLanguage, t, translatePage, wordsOf } from "./words.js";

/** After the page itself moved on to another lead, keys meant for the one before must not decide this one. */
const SETTLE_MS = 600;
/** Snapshots are complete and ordered on the stream; this is for what nobody thought of. */
const RELOAD_MS = 60_000;
const TOAST_MS = 8000;
/** How long `U` means the decision just taken, wherever the page has moved on to. */
const UNDO_MS = 15_000;
const RINGS_SHOWN = 3;
const DEFAULT_REASON = "线上巡屏复核";

const page = {
  leads: new Map(),
  loaded: false,
  selected: null,
  detail: null,
  operator: null,
  reason: localStorage.getItem("reason") || DEFAULT_REASON,
  view: "queue",
  busy: false,
  rejecting: false,
  drawing: false,
  movedOn: false,
  lastDecided: null,
  cameras: [],
  suppressed: [],
  weather: null,
  siteName: "",
  rings: [],
  connected: "connecting",
  sound: false,
  picture(sha256, lead, kind = "jpg") {
    return `/evidence/${sha256}.${kind}?lead=${encodeURIComponent(lead)}&reason=${encodeURIComponent(this.reason)}`;
  },
};

// ---- drawing ----

let drawn = false;
/** Draws once per frame, however many changes arrive. */
function redraw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    draw();
  });
}

function draw() {
  if (page.selected && !page.leads.has(page.selected)) choose(null);
  if (!page.selected) {
    const first = inOrder(page.leads.values())[0];
    if (first && first.group !== "closed") choose(first.id, true);
  }
  renderList(byId("queue"), page, (id) => choose(id));
  renderDetail(byId("detail"), page.detail?.id === page.selected ? page.detail : null, page, act);
  header();
}

function header() {
  const waiting = [...page.leads.values()].filter((lead) => lead.group === "waiting");
  const urgent = waiting.filter((lead) => lead.tier === "A").length;
  const count = byId("waiting-count");
  setText(count, t(`待处理 ${waiting.length}${urgent ? `(A 级 ${urgent})` : ""}`, `${waiting.length} waiting${urgent ? ` (${urgent} A)` : ""}`));
  count.classList.toggle("urgent", urgent > 0);
  document.title = `${waiting.length > 0 ? `(${waiting.length}) ` : ""}${page.siteName || t("线上巡屏复核", "Screen patrol")}`;
  setText(byId("site-name"), page.siteName || t("线上巡屏", "Screen patrol"));
  const [words, assumed] = weatherLine(page.weather);
  setText(byId("weather"), words);
  byId("weather").classList.toggle("bad", assumed);
  const lamp = byId("connection");
  lamp.dataset.state = page.connected;
  setText(lamp, { connected: t("实时", "live"), connecting: t("连接中", "connecting"), lost: t("连接中断", "disconnected") }[page.connected]);
  setText(byId("operator"), page.operator ? t(`值守:${page.operator}`, `on duty: ${page.operator}`) : t("登记", "Sign in"));
  setText(byId("sound"), page.sound ? t("提示音 开", "Sound on") : t("提示音 关", "Sound off"));
  byId("sound").setAttribute("aria-pressed", String(page.sound));
  setText(byId("language"), language === "en" ? "中文" : "EN");
  alerts();
}

function alerts() {
  const nodes = [];
  if (page.connected === "lost") nodes.push(h("p", { class: "alert" }, t("与服务器的连接中断,画面可能已过时;正在重连", "Connection lost: what you see may be out of date; reconnecting")));
  for (const ring of page.rings.slice(-RINGS_SHOWN)) {
    const dismiss = () => {
      page.rings = page.rings.filter((other) => other !== ring);
      header();
    };
    nodes.push(h("p", { class: "alert" }, h("span", {}, h("b", { class: "bell" }, t("提醒", "alarm")), ` ${clockTime(ring.at / 1e6)} ${ring.text}`), h("button", { type: "button", onclick: dismiss, "aria-label": t("知道了", "dismiss") }, "×")));
  }
  byId("alerts").replaceChildren(...nodes);
}

let toastTimer = null;
function toast(words, kind = "", button = null) {
  clearTimeout(toastTimer);
  byId("toast").replaceChildren(h("p", { class: kind }, words, button));
  toastTimer = setTimeout(() => byId("toast").replaceChildren(), button ? UNDO_MS : TOAST_MS);
}

// ---- what is chosen ----

/** `byPage`: the page moved on by itself, so decision keys rest for a moment. */
function choose(id, byPage = false) {
  if (id === page.selected) return;
  page.selected = id;
  page.detail = null;
  page.rejecting = false;
  page.drawing = false;
  page.movedOn = byPage;
  if (id) loadDetail(id);
  redraw();
  requestAnimationFrame(() => scrollToSelected(page));
}

let asked = 0;
let answered = 0;
async function loadDetail(id) {
  const number = ++asked;
  try {
    const detail = await ask(`/api/v1/leads/${encodeURIComponent(id)}`);
    // Two answers may cross: the older one loses.
    if (page.selected !== id || number < answered) return;
    answered = number;
    page.detail = detail;
    redraw();
  } catch (error) {
    if (page.selected === id) toast(wordsOf(error), "bad");
  }
}

function step(by) {
  const ordered = steppable(page.leads.values());
  if (ordered.length === 0) return;
  const at = ordered.findIndex((lead) => lead.id === page.selected);
  const next = ordered[at < 0 ? 0 : Math.min(ordered.length - 1, Math.max(0, at + by))];
  choose(next.id);
}

/** Moves on to the best waiting lead, as the queue stands now. */
function moveOn(from) {
  const next = inOrder(page.leads.values()).find((lead) => lead.group === "waiting" && lead.id !== from);
  if (next) choose(next.id, true);
}

// ---- deciding ----

async function act(name, value) {
  const lead = page.detail?.id === page.selected ? page.detail : null;
  if (name === "cancel") {
    page.rejecting = false;
    page.drawing = false;
    return redraw();
  }
  if (name === "undo-last" && page.lastDecided && performance.now() < page.lastDecided.until) {
    return page.busy ? undefined : send(page.lastDecided.id, "undo", {}, t("已撤销", "undone"));
  }
  if (lead && name === "clip") return playClip(lead);
  if (lead && (name === "look" || name === "live")) return see(name, { id: lead.place.camera, name: lead.camera_name, lead: lead.id });
  if (!lead || page.busy) return;
  if (!page.operator) return signIn();
  switch (name) {
    case "review":
      return review(lead, value);
    case "rejecting":
      if (!lead.decidable) return toast(t("此线索已有决定", "This lead is decided already"));
      page.rejecting = true;
      return redraw();
    case "acknowledge":
      return send(lead.id, "acknowledge", { revision: lead.revision }, t("已应答响铃", "ring answered"));
    case "undo-last":
    case "undo":
      if (!canUndo(lead)) return toast(t("没有可撤销的决定", "There is nothing to undo"));
      return send(lead.id, "undo", { revision: lead.revision }, t("已撤销", "undone"));
    case "split":
      return send(value, "split", {}, t("已拆出", "split out"));
    case "merge":
      return openMerge(lead);
    case "draw":
      page.drawing = !page.drawing;
      if (page.drawing) toast(t("在全图上拖出一个框,圈住漏报的人;Esc 取消", "Drag a box around the person that was missed; Esc cancels"));
      return redraw();
    case "drawn":
      return addPerson(value);
  }
}

async function review(lead, value) {
  if (!lead.decidable) return toast(t("此线索已有决定", "This lead is decided already"));
  const shownAt = pictureShownAt(lead.id);
  if (shownAt === null) return toast(t("图像尚未载入,请稍候", "The picture is still loading"));
  if (page.movedOn && performance.now() < shownAt + SETTLE_MS) {
    // The offer to undo what was just decided stays.
    if (!byId("toast").hasChildNodes()) toast(t("刚换到这一条,请看清再按", "Just moved to this lead: look first, then press"));
    return;
  }
  const done = await send(lead.id, "review", { decision: value, revision: lead.revision });
  if (!done) return;
  page.lastDecided = { id: lead.id, until: performance.now() + UNDO_MS };
  const undo = h("button", { type: "button", onclick: () => send(lead.id, "undo", {}, t("已撤销", "undone")) }, h("kbd", {}, "U"), t(" 撤销", " undo"));
  const changed = done.changed_since ? t("(该线索在您决定前刚有更新)", " (it had just changed before you decided)") : "";
  toast(`${lead.camera_name}:${decision(value)}${changed} `, done.changed_since ? "warn" : "good", undo);
  moveOn(lead.id);
}

/** Sends a command and shows the newest snapshot that comes back. */
async function send(id, verb, body, words) {
  page.busy = true;
  page.rejecting = false;
  redraw();
  try {
    const done = await ask(`/api/v1/leads/${encodeURIComponent(id)}/${verb}`, { by: page.operator, ...body });
    if (done.lead) absorb(done.lead);
    if (verb === "undo") {
      page.lastDecided = null;
      choose(id);
    }
    if (words) toast(words, "good");
    return done;
  } catch (error) {
    toast(wordsOf(error), "bad");
    return null;
  } finally {
    page.busy = false;
    redraw();
  }
}

/** Takes a full snapshot into the list, without waiting for the stream. */
function absorb(lead) {
  if (page.selected === lead.id) {
    page.detail = lead;
    answered = ++asked;
  }
  const known = page.leads.get(lead.id);
  if (!known) return;
  const { group, decidable, revision, state, tier, people, review, delivery, ringing, advice, merged_into, state_since } = lead;
  page.leads.set(lead.id, { ...known, group, decidable, revision, state, tier, people, review, delivery, ringing, advice, merged_into, state_since, case: lead.case });
}

function openMerge(lead) {
  const others = inOrder(page.leads.values()).filter((other) => other.id !== lead.id && other.group !== "closed");
  if (others.length === 0) return toast(t("没有别的未结线索", "There is no other open lead"));
  byId("merge-into").replaceChildren(...others.map((other) => h("option", { value: other.id }, `${other.tier} · ${other.camera_name} · ${other.id}`)));
  byId("merge-reason").value = "";
  byId("merge").showModal();
}

byId("merge-cancel").addEventListener("click", () => byId("merge").close());
byId("merge").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("merge").close();
  const lead = page.detail;
  if (lead) send(lead.id, "merge", { into: byId("merge-into").value, reason: byId("merge-reason").value, revision: lead.revision }, t("已并入", "merged"));
});

async function addPerson({ bbox, camera, size }) {
  page.drawing = false;
  redraw();
  if (bbox.w < 2 || bbox.h < 2) return toast(t("框太小", "The box is too small"));
  try {
    await ask("/api/v1/leads", { camera, bbox, size, people: 1, by: page.operator, reason: t("复核员补报", "added by the operator") });
    toast(t("已补报一人", "person added"), "good");
  } catch (error) {
    toast(wordsOf(error), "bad");
  }
}

// ---- seeing more ----

/** A look or a live view of `camera`, `{ id, name, lead }`. */
function see(how, camera) {
  if (!page.operator) return signIn();
  if (how === "look") openLook(camera, page);
  else openLive(camera, page);
}

function playClip(lead) {
  if (!page.operator) return signIn();
  const shown = shownEvidence();
  if (!shown?.clip_sha256) return toast(t("这份证据没有录像", "This evidence has no clip"));
  openClip(lead, shown, page);
}

// ---- who is on duty ----

function signIn() {
  const dialog = byId("sign-in");
  if (dialog.open) return;
  byId("sign-in-name").value = page.operator ?? "";
  byId("sign-in-reason").value = page.reason;
  setText(byId("sign-in-error"), "");
  dialog.showModal();
}

byId("sign-in").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = byId("sign-in-name").value.trim();
  try {
    await ask("/api/v1/operator", { name });
    page.operator = name;
    page.reason = byId("sign-in-reason").value.trim() || DEFAULT_REASON;
    localStorage.setItem("reason", page.reason);
    byId("sign-in").close();
    byId("queue").focus();
    redraw();
  } catch (error) {
    setText(byId("sign-in-error"), wordsOf(error));
  }
});

// ---- what the server says ----

async function loadLeads() {
  const { leads } = await ask("/api/v1/leads");
  page.leads = new Map(leads.map((lead) => [lead.id, lead]));
  page.loaded = true;
  if (page.selected && page.leads.has(page.selected)) loadDetail(page.selected);
  redraw();
}

async function loadSite() {
  const site = await ask("/api/v1/site");
  scene.set(site.time);
  setText(byId("clock"), clockTime(scene.now()));
  page.siteName = site.name;
  page.operator = site.operator;
  page.weather = site.weather;
  page.suppressed = site.suppressed;
  renderSuppressed(byId("view-suppressed"), page.suppressed);
  if (!page.operator) signIn();
  redraw();
}

async function loadCameras() {
  page.cameras = (await ask("/api/v1/cameras")).cameras;
  renderCameras(byId("view-cameras"), page.cameras, see);
}

/** A failed load says so by the lamp; the next one tries again. */
async function load(...loads) {
  const results = await Promise.allSettled(loads.map((one) => one()));
  const failed = results.find((one) => one.status === "rejected");
  if (failed) toast(t(`载入失败:${wordsOf(failed.reason)}`, `loading failed: ${wordsOf(failed.reason)}`), "bad");
}

let stream = null;
let triedAt = 0;
/** The browser's own tries are left alone for so long: they go on from the last change that came. */
const TRY_MS = 8000;

function connect() {
  stream?.close();
  triedAt = Date.now();
  stream = new EventSource("/api/v1/stream");
  const everything = () => load(loadSite, loadLeads, loadCameras);
  stream.addEventListener("open", () => {
    page.connected = "connected";
    header();
  });
  stream.addEventListener("hello", everything);
  stream.addEventListener("reset", everything);
  stream.addEventListener("lead", (event) => {
    const lead = JSON.parse(event.data);
    page.leads.set(lead.id, lead);
    if (lead.id === page.selected) loadDetail(lead.id);
    redraw();
  });
  stream.addEventListener("ring", (event) => {
    const ring = JSON.parse(event.data);
    if (!ring.lead) page.rings = [...page.rings.filter((other) => other.text !== ring.text), ring].slice(-20);
    if (page.sound) beep(ring.leader);
    header();
  });
  let due = null;
  stream.addEventListener("cameras", () => {
    // Thousands of cameras may change at once: one request for all of them.
    due ??= setTimeout(() => {
      due = null;
      load(loadCameras, loadSite);
    }, 1000);
  });
  stream.addEventListener("error", () => {
    page.connected = "lost";
    triedAt = Date.now();
    header();
    // The browser tries again by itself unless the answer was a refusal.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => stream.readyState === EventSource.CLOSED && connect(), 3000);
  });
}

byId("sound").addEventListener("click", (event) => {
  event.currentTarget.blur();
  page.sound = !page.sound;
  if (page.sound) soundOn();
  header();
});

// ---- keys ----

const DIGITS = { 1: "object", 2: "animal", 3: "worker", 4: "passer-by" };

document.addEventListener("keydown", (event) => {
  if (event.repeat && !["ArrowUp", "ArrowDown"].includes(event.key)) return;
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || document.querySelector("dialog[open]")) return;
  const target = event.target;
  if (target.matches?.("input:not([type=range]), select, textarea")) return;
  // Enter and space on a focused button are that button's.
  if (["Enter", " "].includes(event.key) && target.closest?.("button, a")) return;
  // By its place on the keyboard where an input method hides the letter.
  const key = event.code?.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key;
  if (handle(key)) event.preventDefault();
});

function handle(key) {
  if (key === "q" || key === "c" || key === "s") return show({ q: "queue", c: "cameras", s: "suppressed" }[key]);
  if (key === "?") return byId("help").showModal() ?? true;
  if (key === "Escape") return act("cancel") ?? true;
  if (page.view !== "queue") return false;
  if (page.rejecting && DIGITS[key]) return act("review", DIGITS[key]) ?? true;
  switch (key) {
    case "y":
    case "Enter":
      // Half-way through a rejection, a confirmation is a slip.
      if (page.rejecting) toast(t("正在驳回:按 1–4,或 Esc 取消", "Rejecting: press 1–4, or Esc to cancel"));
      else act("review", "confirmed");
      return true;
    case "n":
      return act("rejecting") ?? true;
    case "u":
      return act("undo-last") ?? true;
    case "l":
      return act("look") ?? true;
    case "v":
      return act("live") ?? true;
    case "p":
      return act("clip") ?? true;
    case "m":
      return act("acknowledge") ?? true;
    case "j":
    case "ArrowDown":
      return step(1) ?? true;
    case "k":
    case "ArrowUp":
      return step(-1) ?? true;
    case " ":
      return togglePreview() ?? true;
    case "[":
      return stepEvidence(-1) ?? true;
    case "]":
      return stepEvidence(1) ?? true;
  }
  return false;
}

function show(view) {
  page.view = view;
  for (const tab of document.querySelectorAll("[role=tab]")) tab.setAttribute("aria-selected", String(tab.dataset.view === view));
  for (const name of ["queue", "cameras", "suppressed"]) byId(`view-${name}`).hidden = name !== view;
  renderCameras(byId("view-cameras"), page.cameras, see);
  renderSuppressed(byId("view-suppressed"), page.suppressed);
  if (view !== "queue") load(loadCameras, loadSite);
  return true;
}

for (const tab of document.querySelectorAll("[role=tab]"))
  tab.addEventListener("click", () => {
    tab.blur();
    show(tab.dataset.view);
  });
byId("operator").addEventListener("click", signIn);
byId("help-open").addEventListener("click", () => byId("help").showModal());
byId("language").addEventListener("click", (event) => {
  event.currentTarget.blur();
  setLanguage(language === "en" ? "zh" : "en");
  translatePage(document);
  show(page.view);
  redraw();
});

setInterval(() => {
  setText(byId("clock"), clockTime(scene.now()));
  tickList();
  tickDetail();
}, 1000);
setInterval(() => load(loadSite, loadLeads), RELOAD_MS);
// A line that died without a word leaves the stream open for many minutes: only what is asked shows it.
setInterval(async () => {
  try {
    scene.set(await ask("/api/v1/time", undefined, 4000));
  } catch {
    page.connected = "lost";
    return header();
  }
  if (page.connected === "lost" && (stream.readyState === EventSource.OPEN || Date.now() - triedAt > TRY_MS)) connect();
  if (page.view === "cameras") await load(loadCameras);
}, 5000);

translatePage(document);
connect();
