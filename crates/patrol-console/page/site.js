// The camera table and the list of places that are not announced for now.

import { byId, h, setText } from "./dom.js";
import { ago, clockTime, condition, decision, modality, ms, outcome, t } from "./words.js";

const seconds = (value) => (value === null ? "—" : `${value.toFixed(value < 10 ? 1 : 0)} s`);

export function renderCameras(box, cameras) {
  const broken = cameras.filter((camera) => camera.promise_broken || camera.condition.state !== "seeing").length;
  setText(byId("cameras-badge"), broken > 0 ? String(broken) : "");
  if (box.hidden) return;
  const columns = [
    t("摄像机", "Camera"),
    t("类型", "Kind"),
    t("状态", "Condition"),
    t("未看见 / 承诺", "Blind / promise"),
    t("未细查", "Unexamined"),
    t("图片", "Pictures"),
    t("结果", "Outcomes"),
    t("最近错误", "Last error"),
  ];
  box.replaceChildren(
    h(
      "p",
      { class: broken ? "bad" : "quiet" },
      broken
        ? t(`${cameras.length} 路中有 ${broken} 路看不见或超出承诺`, `${broken} of ${cameras.length} cannot see or broke their promise`)
        : t(`${cameras.length} 路全部按承诺看到`, `all ${cameras.length} are seen as promised`),
    ),
    h("table", {}, h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, cameras.map(cameraRow))),
  );
}

function cameraRow(camera) {
  const limit = camera.look_limit_s || camera.look_every_s;
  const share = camera.blind_s === null ? 1 : limit > 0 ? Math.min(1, camera.blind_s / limit) : 0;
  const bad = camera.promise_broken || camera.condition.state !== "seeing";
  return h(
    "tr",
    { class: bad ? "broken" : "" },
    h("th", { scope: "row" }, camera.name, h("small", {}, camera.id)),
    h("td", {}, modality(camera.modality)),
    h("td", { class: camera.condition.state === "seeing" ? "good" : "bad" }, condition(camera.condition)),
    h(
      "td",
      {},
      h("span", { class: `number${camera.promise_broken ? " bad" : ""}` }, `${seconds(camera.blind_s)} / ${seconds(camera.look_every_s)}–${seconds(camera.look_limit_s)}`),
      h("span", { class: "meter", "data-bad": camera.promise_broken }, h("i", { style: { width: `${share * 100}%` } })),
    ),
    h("td", { class: "number" }, seconds(camera.unexamined_s)),
    h("td", { class: "number" }, String(camera.pictures)),
    h("td", { class: "small" }, camera.outcomes.map(([name, count]) => `${outcome(name)} ${count}`).join(" · ")),
    h("td", { class: "small" }, camera.last_error ?? ""),
  );
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
