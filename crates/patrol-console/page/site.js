// The camera table and the list of places that are not announced for now.

import { arrange, byId, h, setText } from "./dom.js";
import { ago, clockTime, condition, decision, language, modality, ms, outcome, t } from "./words.js";

const seconds = (value) => (value === null ? "—" : `${value.toFixed(value < 10 ? 1 : 0)} s`);

/** A camera's clock this far off ours is shown, and this far off is an error: times in evidence come from it. */
const SKEW_SHOWN_S = 1;
const SKEW_BAD_S = 5;

/** The table, kept between draws: what an officer points at or presses must not be replaced under the mouse. */
let table = null;

export function renderCameras(box, cameras, see) {
  const broken = cameras.filter((camera) => camera.promise_broken || camera.condition.state !== "seeing").length;
  setText(byId("cameras-badge"), broken > 0 ? String(broken) : "");
  if (box.hidden) return;
  if (table?.language !== language) {
    table = newTable();
    box.replaceChildren(table.summary, table.node);
  }
  const skewed = cameras.filter((camera) => Math.abs(camera.link?.clock_skew_s ?? 0) > SKEW_BAD_S).length;
  const words = [
    broken
      ? t(`${cameras.length} 路中有 ${broken} 路看不见或超出承诺`, `${broken} of ${cameras.length} cannot see or broke their promise`)
      : t(`${cameras.length} 路全部按承诺看到`, `all ${cameras.length} are seen as promised`),
  ];
  if (skewed) words.push(t(`${skewed} 路时钟偏差超过 ${SKEW_BAD_S} 秒`, `${skewed} with a clock more than ${SKEW_BAD_S} s off`));
  setText(table.summary, words.join(t(";", "; ")));
  table.summary.className = broken || skewed ? "bad" : "quiet";
  arrange(table.body, cameras.map((camera) => cameraRow(camera, see)));
  const known = new Set(cameras.map((camera) => camera.id));
  for (const id of [...table.rows.keys()]) if (!known.has(id)) table.rows.delete(id);
}

function newTable() {
  const columns = [
    t("摄像机", "Camera"),
    t("查看", "See"),
    t("类型", "Kind"),
    t("状态", "Condition"),
    t("链路", "Link"),
    t("未看见 / 承诺", "Blind / promise"),
    t("未细查", "Unexamined"),
    t("图片", "Pictures"),
    t("结果", "Outcomes"),
    t("最近错误", "Last error"),
  ];
  const body = h("tbody", {});
  const head = h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name))));
  return { language, rows: new Map(), body, summary: h("p", {}), node: h("table", {}, head, body) };
}

function newRow(id, see) {
  const row = { name: null };
  const button = (how, words) => h("button", { type: "button", onclick: () => see(how, { id, name: row.name, lead: null }) }, words);
  row.cells = [
    h("th", { scope: "row" }),
    h("td", { class: "see" }, button("look", t("立即查看", "Look now")), " ", button("live", t("实时画面", "Live"))),
    ...["short", "short", "link", "", "number", "number", "small", "small"].map((className) => h("td", { class: className })),
  ];
  row.node = h("tr", {}, row.cells);
  return row;
}

function cameraRow(camera, see) {
  if (!table.rows.has(camera.id)) table.rows.set(camera.id, newRow(camera.id, see));
  const row = table.rows.get(camera.id);
  row.name = camera.name;
  const limit = camera.look_limit_s || camera.look_every_s;
  const share = camera.blind_s === null ? 1 : limit > 0 ? Math.min(1, camera.blind_s / limit) : 0;
  row.node.className = camera.promise_broken || camera.condition.state !== "seeing" ? "broken" : "";
  const [name, , kind, state, link, blind, unexamined, pictures, outcomes, error] = row.cells;
  name.replaceChildren(camera.name, h("small", {}, camera.id));
  setText(kind, modality(camera.modality));
  setText(state, condition(camera.condition));
  state.className = `short ${camera.condition.state === "seeing" ? "good" : "bad"}`;
  link.replaceChildren(...linkLines(camera.link, camera.lane));
  blind.replaceChildren(
    h("span", { class: `number${camera.promise_broken ? " bad" : ""}` }, `${seconds(camera.blind_s)} / ${seconds(camera.look_every_s)}–${seconds(camera.look_limit_s)}`),
    h("span", { class: "meter", "data-bad": camera.promise_broken }, h("i", { style: { width: `${share * 100}%` } })),
    ...stretched(camera),
  );
  setText(unexamined, seconds(camera.unexamined_s));
  setText(pictures, String(camera.pictures));
  setText(outcomes, camera.outcomes.map(([name, count]) => `${outcome(name)} ${count}`).join(" · "));
  setText(error, camera.last_error ?? "");
  return row.node;
}

// A promise that is kept more loosely for want of computing power is shown, never silent.
function stretched(camera) {
  if (!(camera.look_every_now_s > camera.look_every_s * 1.04)) return [];
  const now = seconds(camera.look_every_now_s);
  return [h("small", { class: "bad" }, t(`算力不足,现每 ${now} 查看`, `overloaded: every ${now}`))];
}

function linkLines(link, lane) {
  if (!link) return [h("span", { class: "quiet" }, t("录像文件", "a file"))];
  if (!link.transport) return [h("span", { class: "bad" }, t("尚未连通", "never connected"))];
  const lines = [h("span", {}, [link.transport, link.codec].filter(Boolean).join(" · "))];
  const skew = link.clock_skew_s;
  if (skew !== null && Math.abs(skew) > SKEW_SHOWN_S) {
    const off = `${skew > 0 ? "+" : "−"}${Math.abs(skew).toFixed(1)}`;
    lines.push(h("small", { class: Math.abs(skew) > SKEW_BAD_S ? "bad" : "" }, t(`摄像机时钟偏差 ${off} 秒`, `camera clock ${off} s`)));
  }
  const facts = [lane === "on-demand" ? t("按需解码", "decoded on demand") : t("连续解码", "decoded throughout")];
  if (link.key_interval_s !== null) facts.push(t(`关键帧 ${seconds(link.key_interval_s)}`, `key frames ${seconds(link.key_interval_s)}`));
  if (link.sessions > 1) facts.push(t(`重连 ${link.sessions - 1} 次`, `${link.sessions - 1} reconnects`));
  if (link.lost_packets > 0) facts.push(t(`丢包 ${link.lost_packets}`, `${link.lost_packets} lost`));
  if (link.clock_steps > 0) facts.push(t(`时钟跳变 ${link.clock_steps} 次`, `${link.clock_steps} clock steps`));
  if (facts.length > 0) lines.push(h("small", {}, facts.join(" · ")));
  return lines;
}

export function renderSuppressed(box, places) {
  setText(byId("suppressed-badge"), places.length > 0 ? String(places.length) : "");
  if (box.hidden) return;
  if (places.length === 0) {
    box.replaceChildren(h("p", { class: "quiet" }, t("没有暂不提示的地点", "No place is suppressed")));
    return;
  }
  const columns = [t("摄像机", "Camera"), t("判定", "Decision"), t("判定人", "By"), t("自", "Since"), t("最迟至", "At most until"), t("已压下", "Held back"), t("线索", "Lead"), t("框", "Box")];
  const row = (place) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, place.camera_name, h("small", {}, place.camera)),
      h("td", {}, decision(place.decision)),
      h("td", {}, place.by),
      h("td", { class: "number" }, clockTime(ms(place.since))),
      h("td", { class: "number" }, clockTime(ms(place.until))),
      h("td", { class: "number" }, t(`${place.count} 次`, `${place.count} times`)),
      h("td", { class: "number" }, place.lead ?? ""),
      h("td", { class: "number small" }, [place.bbox.x, place.bbox.y, place.bbox.w, place.bbox.h].map((v) => Math.round(v)).join(", ")),
    );
  box.replaceChildren(
    h(
      "p",
      { class: "quiet" },
      t(
        `${places.length} 处。物体或动物的判定最多 4 小时;30 分钟后仍在,会以 C 级再提示一次。移动、变形或走入的人不受影响。`,
        `${places.length} places. At most 4 h; what is still there after 30 min comes back once at C. A body that moved, changed or walked in is never held back.`,
      ),
    ),
    h("table", {}, h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, places.map(row))),
  );
}

export function weatherLine(view) {
  if (!view) return [t("无气象数据", "no weather"), true];
  const { weather, wind_chill_c, assumed } = view;
  const parts = [`${weather.air_c.toFixed(1)} °C`, t(`体感 ${wind_chill_c.toFixed(1)} °C`, `feels ${wind_chill_c.toFixed(1)} °C`)];
  if (typeof weather.wind_kmh === "number") parts.push(t(`风 ${weather.wind_kmh.toFixed(0)} km/h`, `wind ${weather.wind_kmh.toFixed(0)} km/h`));
  if (weather.precip_mm_h > 0) parts.push(t(`降水 ${weather.precip_mm_h} mm/h`, `precip ${weather.precip_mm_h} mm/h`));
  if (weather.alert !== "none") parts.push(t({ blue: "蓝色预警", yellow: "黄色预警", orange: "橙色预警", red: "红色预警" }[weather.alert], `${weather.alert} warning`));
  if (assumed) parts.push(t("推定值", "assumed"));
  return [parts.join(" · "), assumed];
}

export const since = (now, ns) => ago(now - ms(ns));
