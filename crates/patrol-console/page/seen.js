// A camera seen now: a fresh look with what the detectors made of it, and a live view.
//
// Pictures are drawn onto a canvas from their bytes: no address of one stays behind that could be opened without a line in
// the log, and the page loads images from its own server alone.

import { ask, byId, h, Refused, scene, setText } from "./dom.js";
import { ago, clockTime, ms, outcome, posture, t, wordsOf } from "./words.js";

/** A live view without a new picture for so long says so. */
const INTERRUPTED_MS = 3000;
/** More bytes than this without a whole picture in them are no live view. */
const REST_BYTES_MAX = 16 << 20;
/** The stage's height at most, of the window's. */
const STAGE_VH = 56;

async function paint(stage, jpeg) {
  const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  const canvas = stage.querySelector("canvas");
  const { width, height } = bitmap;
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, { width, height });
    fit(stage, width, height);
  }
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}

export function fit(stage, width, height) {
  Object.assign(stage.style, { aspectRatio: `${width} / ${height}`, width: `min(100%, calc(${STAGE_VH}vh * ${width / height}))` });
}

/** What was on a canvas is gone when its dialog is closed. */
function wipe(stage) {
  Object.assign(stage.querySelector("canvas"), { width: 0, height: 0 });
  fit(stage, 16, 9);
}

const cameraUrl = (camera, verb) => `/api/v1/cameras/${encodeURIComponent(camera.id)}/${verb}`;

// ---- look now ----

const look = { asked: 0, camera: null, page: null, captured: null };

/** `camera`: `{ id, name, lead }`, lead where the look is for one. */
export async function openLook(camera, page) {
  const number = ++look.asked;
  const same = byId("look").open && look.camera?.id === camera.id;
  Object.assign(look, { camera, page });
  setText(byId("look-title"), t(`立即查看:${camera.name}`, `Look now: ${camera.name}`));
  if (!same) clearLook();
  say("look-words", t("正在取新画面…", "taking a fresh picture…"));
  byId("look-again").disabled = true;
  if (!byId("look").open) byId("look").showModal();
  try {
    const looked = await ask(cameraUrl(camera, "look"), { by: page.operator, reason: page.reason, lead: camera.lead ?? undefined });
    const jpeg = Uint8Array.from(atob(looked.picture), (char) => char.charCodeAt(0));
    if (number !== look.asked) return;
    await paint(byId("look-stage"), jpeg);
    if (number === look.asked) found(looked);
  } catch (error) {
    if (number === look.asked) say("look-words", wordsOf(error), "bad");
  } finally {
    if (number === look.asked) byId("look-again").disabled = false;
  }
}

function clearLook() {
  look.captured = null;
  wipe(byId("look-stage"));
  for (const box of byId("look-stage").querySelectorAll(".frame")) box.remove();
  byId("look-people").replaceChildren();
  setText(byId("look-age"), "");
}

function found(looked) {
  look.captured = ms(looked.captured);
  const examined = looked.outcome === "examined";
  const none = t("检测器未检出人,请以画面为准", "the detectors found nobody; believe your eyes");
  const words = examined
    ? looked.people.length > 0
      ? t(`检出 ${looked.people.length} 人`, `${looked.people.length} found`)
      : none
    : t(`未作检测(${outcome(looked.outcome)}),请以画面为准`, `not examined (${outcome(looked.outcome)}); believe your eyes`);
  say("look-words", words, examined ? "" : "bad");
  const percent = (value, of) => `${(100 * value) / of}%`;
  const { width, height } = looked.size;
  const stage = byId("look-stage");
  for (const box of stage.querySelectorAll(".frame")) box.remove();
  const facts = (person) => {
    const parts = [posture(person.posture)];
    if (person.still_s !== null) parts.push(t(`静止 ${ago(person.still_s * 1000)}`, `still ${ago(person.still_s * 1000)}`));
    parts.push(`p ${person.confidence.toFixed(2)}`);
    return parts.join(" · ");
  };
  looked.people.forEach(({ bbox, posture: name }, index) => {
    const style = { left: percent(bbox.x, width), top: percent(bbox.y, height), width: percent(bbox.w, width), height: percent(bbox.h, height) };
    // Where there is no room above the box, the words stand below it.
    const tag = h("span", { class: `tag${bbox.y < height * 0.08 ? " below" : ""}` }, looked.people.length > 1 ? `${index + 1} ${posture(name)}` : posture(name));
    stage.append(h("span", { class: "frame" }, tag));
    Object.assign(stage.lastElementChild.style, style);
  });
  byId("look-people").replaceChildren(...looked.people.map((person) => h("li", {}, facts(person))));
  tickLook();
}

function tickLook() {
  if (look.captured === null) return;
  const old = ago(scene.now() - look.captured);
  setText(byId("look-age"), t(`摄于 ${clockTime(look.captured)},${old}前`, `taken ${clockTime(look.captured)}, ${old} ago`));
}

// ---- live view ----

/** The view on the screen: `{ camera, page, abort, opened, last, captured, ended, words }`, `opened`, `last`
 * and `ended` by `performance.now()`; null while none is open. */
let live = null;

export function openLive(camera, page) {
  closeLive();
  live = { camera, page, opened: null, last: null, captured: null, ended: null, words: "" };
  setText(byId("live-title"), t(`实时画面:${camera.name}`, `Live: ${camera.name}`));
  byId("live-reason").value = page.reason;
  began(false);
  if (!byId("live").open) byId("live").showModal();
  byId("live-reason").select();
}

function began(yes) {
  for (const id of ["live-form", "live-begin"]) byId(id).hidden = yes;
  byId("live-view").hidden = !yes;
  byId("live-again").hidden = true;
  if (yes) byId("live-close").focus();
}

async function watch() {
  const view = live;
  const reason = byId("live-reason").value.trim();
  Object.assign(view, { abort: new AbortController(), opened: performance.now(), last: null, captured: null, ended: null, words: "" });
  began(true);
  wipe(byId("live-stage"));
  tickLive();
  const asked = new URLSearchParams({ by: view.page.operator, reason });
  if (view.camera.lead) asked.set("lead", view.camera.lead);
  try {
    const response = await fetch(`${cameraUrl(view.camera, "live")}?${asked}`, { signal: view.abort.signal, cache: "no-store" });
    if (!response.ok) throw new Refused(response.status, await response.json().catch(() => null));
    await show(view, response.body.getReader());
    view.words = t("画面已由服务器结束", "ended by the server");
  } catch (error) {
    view.words = error instanceof Refused ? wordsOf(error) : t("连接中断", "connection lost");
  }
  view.ended = performance.now();
  tickLive();
}

async function show(view, reader) {
  let rest = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done || view !== live) return;
    const bytes = new Uint8Array(rest.length + value.length);
    bytes.set(rest);
    bytes.set(value, rest.length);
    const [pictures, at] = parts(bytes);
    rest = bytes.subarray(at);
    if (rest.length > REST_BYTES_MAX) throw new Error("no pictures in it");
    const newest = pictures.at(-1);
    if (!newest) continue;
    try {
      await paint(byId("live-stage"), newest.jpeg);
    } catch {
      continue; // One broken picture is no new picture; the next may be whole.
    }
    // The same picture again is no sign of life.
    if (newest.captured !== view.captured) Object.assign(view, { captured: newest.captured, last: performance.now() });
    tickLive();
  }
}

const decoder = new TextDecoder();

/** The whole pictures in `bytes`, and where the rest begins. */
function parts(bytes) {
  const pictures = [];
  let at = 0;
  for (;;) {
    const end = endOfHead(bytes, at);
    if (end < 0) return [pictures, at];
    const head = decoder.decode(bytes.subarray(at, end));
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? NaN);
    if (!Number.isFinite(length)) throw new Error("a part without its length");
    if (bytes.length < end + length) return [pictures, at];
    pictures.push({ captured: Number(/x-captured-ms: (-?\d+)/i.exec(head)?.[1]), jpeg: bytes.subarray(end, end + length) });
    at = end + length;
  }
}

function endOfHead(bytes, from) {
  for (let at = from; at + 4 <= bytes.length; at++) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}

function tickLive() {
  if (!live || live.opened === null) return;
  const now = performance.now();
  const silent = now - (live.last ?? live.opened) > INTERRUPTED_MS;
  const broken = live.ended !== null || silent;
  byId("live-interrupted").hidden = !broken;
  byId("live-again").hidden = live.ended === null;
  const last = live.captured === null ? t("尚未收到画面", "no picture yet") : t(`最后一幅 ${clockTime(live.captured)}`, `the last one ${clockTime(live.captured)}`);
  if (broken) byId("live-interrupted").replaceChildren(h("b", {}, t("画面中断", "no pictures")), h("span", {}, live.words ? `${live.words} · ${last}` : last));
  const watched = ago((live.ended ?? now) - live.opened);
  const open = t(`已看 ${watched},本次查看已登记`, `open for ${watched}, this viewing is logged`);
  if (live.captured === null) say("live-words", live.ended !== null ? "" : t("等待画面…", "waiting for pictures…"));
  else say("live-words", `${t(`摄于 ${clockTime(live.captured)},${ago(scene.now() - live.captured)}前`, `taken ${clockTime(live.captured)}, ${ago(scene.now() - live.captured)} ago`)} · ${open}`);
}

function closeLive() {
  live?.abort?.abort();
  live = null;
  wipe(byId("live-stage"));
}

// ---- both ----

function say(id, text, kind = "") {
  setText(byId(id), text);
  byId(id).className = kind;
}

setInterval(() => {
  if (byId("look").open) tickLook();
  tickLive();
}, 250);

byId("look").addEventListener("close", () => {
  look.asked++;
  clearLook();
});
byId("look-again").addEventListener("click", () => openLook(look.camera, look.page));
byId("look-live").addEventListener("click", () => {
  const { camera, page } = look;
  byId("look").close();
  openLive(camera, page);
});
byId("look").addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const button = { KeyL: "look-again", KeyV: "look-live" }[event.code];
  if (!button) return;
  // Or the letter would go into the field that the next dialog begins with.
  event.preventDefault();
  byId(button).click();
});
byId("live").addEventListener("close", closeLive);
byId("live-form").addEventListener("submit", (event) => {
  event.preventDefault();
  watch();
});
byId("live-again").addEventListener("click", watch);
for (const id of ["look", "live", "clip"]) byId(`${id}-close`).addEventListener("click", () => byId(id).close());
